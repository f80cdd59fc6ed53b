// The JSON Schema (draft 2020-12, https://json-schema.org/draft/2020-12) of bridge55.yaml, for completion and
// checks in editors
// (`bridge55 config schema`). Made from the same description that the loader reads by, so the two know the
// same keys.
#pragma once

#include <string>

namespace bridge55::config {

std::string schema();

}  // namespace bridge55::config
