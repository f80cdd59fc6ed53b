// Every key of bridge55.yaml (contract, section 4), one row each: name, help, rule, field.
#pragma once

#include "config/config.hpp"
#include "config/visitor.hpp"

namespace bridge55::config {

void describe(Visitor& visitor, Config& config);

// The parts of it, in a file each.
void describe(Visitor& visitor, Listen& listen);
void describe(Visitor& visitor, Upstream& upstream);
void describe(Visitor& visitor, Relay& relay);
void describe(Visitor& visitor, Sink& sink);
void describe(Visitor& visitor, Route& route);
void describe(Visitor& visitor, Client& client);
void describe(Visitor& visitor, Guard& guard);
void describe(Visitor& visitor, ClientTls& tls);

// The operators of `where`, in the order of the contract.
std::string_view operator_name(Operator op);

}  // namespace bridge55::config
