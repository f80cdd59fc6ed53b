// What a placement says, as the desk sees it, and the vendor's way of saying it (`Dialect`). Pure and
// thread-safe. Numbers stay the text they were sent as.
#pragma once

#include "daemon/base/clock.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bridge55::gateway {

struct Order {
  std::string uuid;                     // lower case: the identity
  std::string spelled;                  // as the app wrote it
  std::size_t begin = 0, end = 0;       // its object in the body
  std::string stake, price;             // JSON tokens; empty: absent
  std::string currency;                 // decoded; a token that is no string stands as it is
  bool back = true;                     // surely a back bet
  bool test = false;                    // surely a test order
  std::vector<std::string> bookmakers;  // empty: upstream chooses
  // None: upstream's default. What cannot be read is taken as the longest that upstream allows.
  std::optional<WallMicros> expires_at;
};

struct Placement {
  std::string body;
  std::vector<Order> orders;
  std::size_t begin = 0, end = 0;  // of the list in the body, brackets included

  std::string_view text(const Order& order) const {
    return std::string_view(body).substr(order.begin, order.end - order.begin);
  }
};

struct ReadPlacement {
  std::optional<Placement> placement;
  std::string fault;  // else: what is wrong, and where
};

// What upstream says of one order.
struct Entry {
  std::string uuid;        // lower case
  std::string text;        // its JSON object as received
  bool duplicate = false;  // declined because upstream had the uuid before
};

struct PlaceAnswer {
  std::vector<Entry> accepted, declined;
};

struct OrderPage {
  std::vector<Entry> rows;
  std::string cursor;  // of the next page
  bool more = false;
};

class Dialect {
 public:
  virtual ~Dialect() = default;
  // `now` dates what has a lifetime without a date.
  virtual ReadPlacement read(std::string body, WallMicros now) const = 0;
  // The same request with only these orders (positions, ascending); every other byte as sent.
  virtual std::string subset(const Placement& placement, const std::vector<std::size_t>& which) const = 0;
  // Nothing where the answer cannot be understood whole.
  virtual std::optional<PlaceAnswer> read_answer(std::string_view body) const = 0;
  virtual std::optional<OrderPage> read_page(std::string_view body) const = 0;
  // Path and query that ask for these orders (at most kLookUpChunk), from `cursor` on unless it is empty.
  virtual std::string look_up_target(const std::vector<std::string>& uuids,
                                     std::string_view cursor) const = 0;
  // An answer in upstream's shape out of JSON objects.
  virtual std::string compose(const std::vector<std::string>& accepted,
                              const std::vector<std::string>& declined) const = 0;
  // The entry of an order that upstream never had.
  virtual std::string declined_entry(std::string_view uuid, std::string_view reason) const = 0;

  static constexpr std::size_t kLookUpChunk = 50;
};

}  // namespace bridge55::gateway
