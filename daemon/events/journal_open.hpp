// Opening the journal: lock, recovery, repair. Everything that a start does before the first event.
#pragma once

#include "daemon/events/journal.hpp"
#include "daemon/events/journal_files.hpp"
#include "daemon/events/journal_store.hpp"

#include <memory>
#include <string>
#include <vector>

namespace bridge55::events {

struct OpenedJournal {
  std::string path;
  std::unique_ptr<JournalLock> lock;
  std::unique_ptr<Store> store;
  Progress progress;
  bool noted = true;  // that it is open; false where the disk was full: the first commit does it
};

// Throws JournalError. When it returns, a ceiling above `recovered.ceiling` is durable and so is everything
// that was recovered.
OpenedJournal open_journal(const config::Journal& settings, Recovered& recovered);

// Copies what can be read of a damaged journal into an empty one; in words what could not.
std::vector<std::string> salvage(const std::string& damaged, Store& into);

// The next id after `after` that can be reached, over damaged pages; 0: none.
EventId next_reachable(sqlite::Connection& connection, EventId after);
// The same of another table: `probe` selects the key right after the one it is given.
std::uint64_t next_reachable(sqlite::Statement& probe, std::uint64_t after);

}  // namespace bridge55::events
