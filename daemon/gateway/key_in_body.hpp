// The Scraping API reads its key from a JSON body too, as `apiKey` or `key` (vendor docs: Scraping API
// Authentication). Pure.
#pragma once

#include <string>
#include <string_view>

namespace bridge55::gateway {

// Takes whatever key the app put there out and puts ours in, as the first member; every other byte stays.
// Empty on success, else what is wrong with the body.
std::string put_key(std::string& body, std::string_view key);

}  // namespace bridge55::gateway
