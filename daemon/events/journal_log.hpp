// The write-ahead log looked at before SQLite does. SQLite takes the first frame whose checksum does not fit
// for the log's end, which is right for a write that a power cut tore, and silently forgets everything behind
// it where a disk altered a byte (https://sqlite.org/fileformat2.html#walformat). This tells the two apart: a
// commit is written only after the one before it was synced, so a later one behind a bad frame means damage.
#pragma once

#include <cstdint>
#include <string>

namespace bridge55::events {

struct LogCheck {
  enum class State {
    sound,    // or torn in its last write, which nobody was told was durable
    unclear,  // the last write is whole but does not fit: torn or damaged
    damaged,  // rewritten without the frames that are; the file behind it must be rebuilt
  } state = State::sound;
  std::string words;
};

// Looks through `log`, which no connection may have open; a damaged one is kept as `keep_as` and rewritten
// from what is sound. `page_bytes` stands in where the log's own head is damaged.
LogCheck check_log(const std::string& log, const std::string& keep_as, std::uint32_t page_bytes);

}  // namespace bridge55::events
