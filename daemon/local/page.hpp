// GET /events/page: a bounded piece of the journal as JSON, envelopes byte for byte (contract, section 5).
#pragma once

#include "daemon/events/journal.hpp"
#include "daemon/local/answer.hpp"
#include "daemon/local/query.hpp"
#include "daemon/net/stream.hpp"

#include <variant>

namespace bridge55::local {

struct Context;

// The page, or 410 where what it should begin with is gone, or 503 where the journal does not answer.
net::awaitable<std::variant<Answer, Refusal>> read_page(Context& context, const PageQuery& query);

// Pure parts of it.
events::ReadRequest read_request(const PageQuery& query, events::EventId after);
std::string page_body(const events::ReadResult& result, events::EventId after);

}  // namespace bridge55::local
