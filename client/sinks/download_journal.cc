#include "client/sinks/download_journal.h"

#include <iterator>
#include <sstream>
#include <system_error>

#include "client/sinks/staged_tree.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;

// Half of what the server allows, and no request near the size of a message.
constexpr size_t kMaxNamedEntries = 32'768;
// More chunks than any revision has objects; a longer journal is no journal.
constexpr int kMaxChunkIndex = 1 << 24;

}  // namespace

bool IsJournalOf(const fs::path& directory, const std::string& identity) {
  // A pipe would be waited for, and what is written must not go elsewhere.
  if (!IsSoleFile(directory / kJournalName)) return false;
  std::ifstream file(directory / kJournalName);
  std::string line;
  return std::getline(file, line) && line == identity;
}

DownloadJournal::DownloadJournal(const fs::path& directory,
                                 const std::string& identity)
    : path_(directory / kJournalName), identity_(identity) {
  const absl::MutexLock lock(&mutex_);
  if (IsJournalOf(directory, identity)) {
    Read();
    file_.open(path_, std::ios::app);
    // After a line that was cut off.
    file_ << '\n';
  } else {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    file_.open(path_, std::ios::trunc);
    file_ << identity << '\n';
  }
  file_.flush();
}

void DownloadJournal::Read() {
  std::ifstream file(path_);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream words(line);
    uint64_t object_index = 0;
    int chunk_index = 0;
    int chunk_count = 0;
    if (!(words >> object_index >> chunk_index >> chunk_count)) continue;
    if (chunk_index < 0 || chunk_index >= chunk_count ||
        chunk_count > kMaxChunkIndex) {
      continue;
    }
    Object& object = objects_[object_index];
    object.Expect(chunk_count);
    object.chunks.insert(chunk_index);
  }
}

void DownloadJournal::Object::Expect(int count) {
  if (chunk_count == count) return;
  chunk_count = count;
  chunks.clear();
}

void DownloadJournal::Add(uint64_t object_index, int chunk_index,
                          int chunk_count) {
  const absl::MutexLock lock(&mutex_);
  Object& object = objects_[object_index];
  object.Expect(chunk_count);
  object.chunks.insert(chunk_index);
  ++chunk_count_;
  file_ << object_index << ' ' << chunk_index << ' ' << chunk_count << '\n';
  file_.flush();
}

void DownloadJournal::Forget(uint64_t object_index, int chunk_index,
                             int chunk_count) {
  const absl::MutexLock lock(&mutex_);
  Object& object = objects_[object_index];
  object.Expect(chunk_count);
  object.chunks.erase(chunk_index);
}

std::set<int> DownloadJournal::Chunks(uint64_t object_index,
                                      int chunk_count) const {
  const absl::MutexLock lock(&mutex_);
  const auto found = objects_.find(object_index);
  if (found == objects_.end() || found->second.chunk_count != chunk_count) {
    return {};
  }
  return found->second.chunks;
}

model::HeldChunks DownloadJournal::NameIn(v1::Held* held) {
  const absl::MutexLock lock(&mutex_);
  model::HeldChunks named;
  size_t entries = 0;
  for (auto it = objects_.begin(); it != objects_.end();) {
    const auto& [index, object] = *it;
    const int ranges = held->objects_size();
    if (object.whole() && ranges > 0 &&
        held->objects(ranges - 1).end() == index) {
      held->mutable_objects(ranges - 1)->set_end(index + 1);
      named.AddObjects(index, index + 1);
      ++it;
      continue;
    }
    entries += object.whole() ? 1 : 1 + object.chunks.size();
    if (object.chunks.empty() || entries > kMaxNamedEntries) {
      it = objects_.erase(it);
      continue;
    }
    if (object.whole()) {
      v1::ObjectRange* range = held->add_objects();
      range->set_first(index);
      range->set_end(index + 1);
      named.AddObjects(index, index + 1);
    } else {
      v1::HeldChunks* chunks = held->add_chunks();
      chunks->set_object_index(index);
      for (const int chunk : object.chunks) {
        chunks->add_chunk_indices(static_cast<uint32_t>(chunk));
        named.AddChunk(index, static_cast<uint32_t>(chunk));
      }
    }
    ++it;
  }
  return named;
}

uint64_t DownloadJournal::chunk_count() const {
  const absl::MutexLock lock(&mutex_);
  return chunk_count_;
}

void DownloadJournal::Remove() {
  const absl::MutexLock lock(&mutex_);
  if (!file_.is_open()) return;
  file_.close();
  std::error_code ignored;
  fs::remove(path_, ignored);
}

void DownloadJournal::Restore() {
  const absl::MutexLock lock(&mutex_);
  if (path_.empty() || file_.is_open()) return;
  file_.open(path_, std::ios::trunc);
  file_ << identity_ << '\n';
  for (const auto& [index, object] : objects_) {
    for (const int chunk : object.chunks) {
      file_ << index << ' ' << chunk << ' ' << object.chunk_count << '\n';
    }
  }
  file_.flush();
}

}  // namespace qstore::client
