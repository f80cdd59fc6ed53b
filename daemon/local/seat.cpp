#include "daemon/local/seat.hpp"

#include "daemon/local/context.hpp"

#include <utility>

namespace bridge55::local {

Seat::Seat(std::shared_ptr<Context> context, App app, unsigned scopes)
    : context_(std::move(context)), app_(std::move(app)), scopes_(scopes) {
  context_->seats.add(*this);
}

Seat::~Seat() {
  context_->seats.remove(*this);
}

void Seat::belongs_to(App app, unsigned scopes) {
  app_ = std::move(app);
  scopes_ = scopes;
}

void Seat::revoke() {
  is_revoked_ = true;
  if (const auto then = std::exchange(revoked_, nullptr)) then();
}

}  // namespace bridge55::local
