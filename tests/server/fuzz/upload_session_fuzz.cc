// Streams of upload messages, against any bytes: nothing is stored unless the
// commit succeeds, what a commit stores can be read, and no message makes an
// upload hold more than its leases.
//
// An input is a run of messages: a byte of flags, two bytes of length (little
// endian), then a serialized v1::UploadRequest. The flags put right what chance
// cannot: checksums, and the counts of the end message.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "base/hash.h"
#include "model/names.h"
#include "server/upload/chunk_work.h"
#include "server/upload/upload_session.h"
#include "storage/memory/engine.h"
#include "tests/fuzz_check.h"

namespace qstore::server {
namespace {

constexpr uint8_t kFixChecksum = 1;
constexpr uint8_t kFixCounts = 2;
constexpr uint64_t kMaxHeaderBytes = 64u << 10;

// Shared by all inputs, as by all uploads of a server.
struct Shared {
  ThreadPool pool{1, 8};
  CodecPool codecs;
  ByteBudget budget{2 * kMaxChunkLeaseBytes};
  ByteBudget metadata{4u << 20};
  IngestResources Resources() {
    IngestResources resources;
    resources.encode_pool = &pool;
    resources.codecs = &codecs;
    resources.budget = &budget;
    resources.metadata = &metadata;
    resources.limits.max_safetensors_header_bytes = kMaxHeaderBytes;
    resources.limits.max_tensors = 2000;
    resources.limits.max_files = 50;
    return resources;
  }
};

class Messages {
 public:
  explicit Messages(ByteView input) : input_(input) {}

  bool Next(v1::UploadRequest* request) {
    if (input_.size() < 3) return false;
    const uint8_t flags = input_[0];
    const size_t announced = input_[1] | size_t{input_[2]} << 8;
    input_ = input_.subspan(3);
    const ByteView bytes = input_.first(std::min(announced, input_.size()));
    input_ = input_.subspan(bytes.size());
    if (!request->ParseFromArray(bytes.data(),
                                 static_cast<int>(bytes.size()))) {
      return false;  // gRPC would not let it through
    }
    if (request->has_file()) ++files_;
    if (request->has_bytes()) {
      const std::string& payload = request->bytes().payload();
      bytes_ += payload.size();
      if ((flags & kFixChecksum) != 0) {
        request->mutable_bytes()->set_xxh3(Xxh3(AsBytes(payload)));
      }
    }
    if (request->has_end() && (flags & kFixCounts) != 0) {
      request->mutable_end()->set_file_count(files_);
      request->mutable_end()->set_total_bytes(bytes_);
    }
    return true;
  }

 private:
  ByteView input_;
  uint64_t files_ = 0;
  uint64_t bytes_ = 0;
};

void CheckStored(storage::ModelStore* store, const v1::UploadResponse& done) {
  ModelReference reference;
  reference.model = done.model();
  reference.tag = done.tag();
  const auto reader = store->OpenRevision(reference);
  QSTORE_FUZZ_CHECK(reader.ok());
  uint64_t file_bytes = 0;
  for (const storage::StoredFile& file : (*reader)->revision().files) {
    file_bytes += file.size_bytes;
    for (const storage::StoredSegment& segment : file.segments) {
      QSTORE_FUZZ_CHECK((*reader)->GetObject(segment.object_id).ok());
    }
  }
  QSTORE_FUZZ_CHECK(file_bytes == done.received_bytes());
}

void CheckNothingStored(storage::ModelStore* store,
                        const storage::Engine& engine) {
  const auto models = store->ListModels();
  QSTORE_FUZZ_CHECK(models.ok() && models->empty());
  QSTORE_FUZZ_CHECK(store->WaitForCollection(absl::Minutes(1)).ok());
  for (const storage::Family family : storage::AllFamilies()) {
    int keys = 0;
    QSTORE_FUZZ_CHECK(engine.blobs
                          ->ListKeys(family, "", "\xff\xff",
                                     [&](std::string_view) {
                                       ++keys;
                                       return true;
                                     })
                          .ok());
    QSTORE_FUZZ_CHECK(keys == 0);
  }
}

void Run(ByteView input) {
  static auto* const kShared = new Shared();
  const storage::Engine engine = storage::NewMemoryEngine();
  auto store = storage::ModelStore::Open(engine);
  QSTORE_FUZZ_CHECK(store.ok());
  absl::Status status;
  absl::StatusOr<v1::UploadResponse> committed;
  {
    UploadSession session(store->get(), kShared->Resources());
    Messages messages(input);
    v1::UploadRequest request;
    while (status.ok() && messages.Next(&request)) {
      status = session.Handle(request);
      // A chunk that is being filled, and one that was handed on.
      QSTORE_FUZZ_CHECK(kShared->budget.held_bytes() <=
                        kShared->budget.limit_bytes());
    }
    committed = status.ok() ? session.Commit() : status;
  }
  // The pool drops its last task, and the lease in it, a moment after its end.
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (kShared->budget.held_bytes() != 0) {
    QSTORE_FUZZ_CHECK(std::chrono::steady_clock::now() < deadline);
    std::this_thread::yield();
  }
  QSTORE_FUZZ_CHECK(kShared->metadata.held_bytes() == 0);
  if (committed.ok()) {
    CheckStored(store->get(), *committed);
    return;
  }
  const absl::StatusCode code = committed.status().code();
  QSTORE_FUZZ_CHECK(code == absl::StatusCode::kInvalidArgument ||
                    code == absl::StatusCode::kDataLoss ||
                    code == absl::StatusCode::kResourceExhausted);
  CheckNothingStored(store->get(), engine);
}

}  // namespace
}  // namespace qstore::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size_bytes) {
  static const google::protobuf::LogSilencer kSilencer;
  qstore::server::Run(qstore::ByteView(input, size_bytes));
  return 0;
}
