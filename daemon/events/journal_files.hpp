// The files around the journal: its directory, the lock that keeps a second daemon out, and the swap that
// replaces a damaged file. All of it happens before the journal is opened, except `keep_ceiling`.
#pragma once

#include "daemon/events/event.hpp"

#include <string>

namespace bridge55::events {

// Makes the directory (0700) where it is absent, refuses symbolic links, and returns the path with every link
// above it resolved. Throws JournalError.
std::string prepare_path(const std::string& path);
// Creates an empty file (0600), durable in its directory. False where it is there already.
bool create_file(const std::string& path);
void sync_directory(const std::string& path);  // of the file named
bool exists(const std::string& path);

// `<journal>.lock`: held for the life of the process, with its pid for those who find it held, and a copy of
// the id ceiling that outlives the journal itself: ids stay unique where the journal is lost, and while the
// disk is full.
class JournalLock {
 public:
  explicit JournalLock(
      const std::string& journal_path);  // throws JournalError 69 where another process holds it
  ~JournalLock();
  JournalLock(const JournalLock&) = delete;
  JournalLock& operator=(const JournalLock&) = delete;

  EventId ceiling_found() const { return ceiling_found_; }  // 0: no journal was here before
  bool keep_ceiling(EventId ceiling,
                    bool sync);  // in place, so that a full disk does not matter; true where it worked

 private:
  void read();
  std::string path_;
  int descriptor_ = -1;
  EventId ceiling_found_ = 0;
};

// The names that a repair uses beside the journal's own.
struct RepairNames {
  explicit RepairNames(const std::string& journal)
      : suspect(journal + ".suspect"), rebuilt(journal + ".rebuilt"), ready(journal + ".ready") {}
  std::string suspect;  // the last process found damage that it could not go on with
  std::string rebuilt;  // being written from what can be read of the damaged one
  std::string ready;    // written completely: takes the journal's place
};

// Puts back what stands in the head of every journal, where a few bytes of it were altered: SQLite opens
// nothing without it. True where it did (https://sqlite.org/fileformat2.html#the_database_header).
bool mend_head(const std::string& path);

void mark_suspect(const std::string& journal);  // the next start repairs it; where that cannot be written, it
                                                // finds out again

// Removes a journal with its log and index.
void remove_journal(const std::string& path);
// Puts a complete `ready` in the journal's place; the damaged one stays as `<journal>.damaged-<time>`. Does
// nothing where there is no `ready`; may be cut off and repeated at any point. Returns the damaged file's new
// name.
std::string swap_in(const std::string& journal, WallMicros now);

}  // namespace bridge55::events
