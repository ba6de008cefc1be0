// Cuts a manifest into pages, each small enough for every gRPC peer.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/manifest.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::wire {

// A page ends with what takes it over this size; nothing in it takes more than
// a few hundred bytes. gRPC's default limit is 4 MiB.
inline constexpr uint64_t kPageBytes = 1u << 20;
inline constexpr size_t kMaxListedTags = 1000;

// Where a page begins: at a segment of a file or, after all of them, at a chunk
// of an object.
struct PagePosition {
  bool objects = false;
  uint64_t index = 0;  // of the file or object
  uint64_t inner = 0;  // of the segment or chunk

  bool operator==(const PagePosition&) const = default;
};

// "REVISION.f.INDEX.INNER": pages of one revision, also when its tag moves.
std::string PageToken(std::string_view revision, const PagePosition& position);
struct ParsedPageToken {
  std::string revision;
  PagePosition position;
};
// INVALID_ARGUMENT: not a token of PageToken.
absl::StatusOr<ParsedPageToken> ParsePageToken(std::string_view token);

class ManifestPages {
 public:
  // Object `index` of the manifest; valid until the next call.
  using ObjectSource =
      std::function<absl::StatusOr<const model::Object*>(size_t index)>;

  // `manifest` has everything but its objects, of which there are
  // `object_count`; each is asked for once in a page that needs it. It must
  // outlive this.
  ManifestPages(const model::Manifest* manifest, size_t object_count,
                ObjectSource source, PagePosition position = {});

  // The next page. Errors are those of the source.
  absl::StatusOr<v1::ManifestPage> Next();
  bool done() const { return done_; }
  const PagePosition& position() const { return position_; }

 private:
  void AddHead(v1::ManifestPage* page);
  void AddFile(v1::ManifestPage* page);
  absl::Status AddObject(v1::ManifestPage* page);
  bool full() const { return page_bytes_ >= kPageBytes; }

  const model::Manifest& manifest_;
  const size_t object_count_;
  const ObjectSource source_;
  PagePosition position_;
  uint64_t page_bytes_ = 0;
  bool done_ = false;
};

}  // namespace qstore::wire
