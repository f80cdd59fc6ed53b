// A call that is passed on the n-th time it is made: for who stops many and calls back once.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

namespace bridge55 {

// `then` is called by the `count`-th call of what this returns, which may be copied. One thread.
inline std::function<void()> countdown(std::size_t count, std::function<void()> then) {
  return [left = std::make_shared<std::size_t>(count), then = std::move(then)] {
    if (--*left == 0) then();
  };
}

}  // namespace bridge55
