// Whole reads of the C interface.
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "client/c/cancellation.h"
#include "client/c/guard.h"
#include "client/c/session.h"
#include "client/sinks/directory_sink.h"
#include "client/sinks/memory_sink.h"

namespace qstore::client::c {
namespace {

// Hands events to the caller's functions, one at a time.
class CallbackEvents final : public Events {
 public:
  explicit CallbackEvents(const qstore_read_options& options)
      : progress_(options.progress),
        note_(options.note),
        context_(options.context) {}

  void Begin(const std::string& /*action*/, uint64_t total_bytes) override {
    const absl::MutexLock lock(&mutex_);
    done_bytes_ = 0;
    total_bytes_ = total_bytes;
    Tell();
  }
  void Add(uint64_t bytes) override {
    const absl::MutexLock lock(&mutex_);
    done_bytes_ += bytes;
    Tell();
  }
  void Set(uint64_t done_bytes, uint64_t total_bytes) override {
    const absl::MutexLock lock(&mutex_);
    done_bytes_ = done_bytes;
    total_bytes_ = total_bytes;
    Tell();
  }
  void Note(const std::string& sentence) override {
    const absl::MutexLock lock(&mutex_);
    if (note_ != nullptr) note_(context_, sentence.c_str());
  }
  void Retry(const RetryNotice& notice) override {
    Note(absl::StrCat(std::string(notice.error.message()), "; trying again in ",
                      notice.wait_seconds, " s"));
  }

 private:
  void Tell() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (progress_ != nullptr) progress_(context_, done_bytes_, total_bytes_);
  }

  const qstore_progress progress_;
  const qstore_note note_;
  void* const context_;
  absl::Mutex mutex_;
  uint64_t done_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t total_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

DownloadOptions ReadOptionsOf(const qstore_read_options& given) {
  DownloadOptions options;
  if (given.precision != nullptr) options.precision = given.precision;
  if (given.format != nullptr) options.format = given.format;
  options.allow_original = given.allow_original != 0;
  options.threads = given.threads;
  if (given.memory_bytes != 0) options.memory_bytes = given.memory_bytes;
  return options;
}

// Calls `read` with what the caller's options say.
template <typename Read>
absl::Status WithOptions(const qstore_read_options* options, const Read& read) {
  qstore_read_options given = {};
  if (options != nullptr) {
    QSTORE_RETURN_IF_ERROR(CheckStructSize(
        "qstore_read_options", options->struct_size, sizeof(*options)));
    given = *options;
  }
  CallbackEvents events(given);
  CallOptions call{.events = &events};
  if (given.cancellation != nullptr) {
    call.cancellation = &given.cancellation->cancellation;
  }
  return read(ReadOptionsOf(given), call);
}

absl::Status ReadInto(qstore_session* session, const ModelReference& reference,
                      const qstore_read_options* options, Sink* sink) {
  return WithOptions(
      options, [&](const DownloadOptions& read, const CallOptions& call) {
        return session->session.Download(reference, read, sink, call).status();
      });
}

// Selects by a pattern that is the path: its `*` and `?` fit themselves, and
// perhaps other names beside it.
absl::Status ReadOneFile(qstore_session* session,
                         const ModelReference& reference,
                         const std::string& path, MutableByteView memory,
                         const qstore_read_options* options,
                         uint64_t* size_bytes) {
  bool found = false;
  std::map<std::string, ByteVector> others;  // that fit the pattern too
  MemorySink sink([&](const std::string& name,
                      uint64_t file_bytes) -> absl::StatusOr<MutableByteView> {
    if (name != path) {
      ByteVector& bytes = others[name];
      bytes.resize(file_bytes);
      return MutableByteView(bytes);
    }
    found = true;
    *size_bytes = file_bytes;
    if (file_bytes > memory.size()) {
      return absl::OutOfRangeError(
          absl::StrCat("file ", Quoted(path), " has ", file_bytes,
                       " bytes, but there is room for ", memory.size()));
    }
    return memory.first(file_bytes);
  });
  absl::Status status =
      WithOptions(options, [&](DownloadOptions read, const CallOptions& call) {
        read.selection.files = {path};
        return session->session.Download(reference, read, &sink, call).status();
      });
  const bool nothing_fits =
      ReasonOf(status) == kReasonInvalidSelection ||
      (status.ok() && !found && sink.Find(path) == nullptr);
  if (nothing_fits) {
    return WithReason(
        absl::NotFoundError(absl::StrCat("model ", reference.ToString(),
                                         " has no file ", Quoted(path))),
        kReasonNotFound);
  }
  if (found || !status.ok()) return status;
  *size_bytes = 0;  // an empty file asks for nothing
  return absl::OkStatus();
}

}  // namespace
}  // namespace qstore::client::c

// NOLINTBEGIN(readability-identifier-naming): C's names.

qstore_code qstore_download(qstore_session* session, const char* reference,
                            const char* directory,
                            const qstore_read_options* options,
                            qstore_error** error) {
  using namespace qstore::client::c;  // NOLINT(google-build-using-namespace)
  return Guard(error, [&]() -> absl::Status {
    if (session == nullptr) return NullArgument("session");
    if (directory == nullptr) return NullArgument("directory");
    QSTORE_ASSIGN_OR_RETURN(const qstore::ModelReference which,
                            ReadReference(reference));
    qstore::client::DirectorySink sink(directory);
    return ReadInto(session, which, options, &sink);
  });
}

qstore_code qstore_read(qstore_session* session, const char* reference,
                        qstore_allocate allocate, void* allocate_context,
                        const qstore_read_options* options,
                        qstore_error** error) {
  using namespace qstore::client::c;  // NOLINT(google-build-using-namespace)
  return Guard(error, [&]() -> absl::Status {
    if (session == nullptr) return NullArgument("session");
    if (allocate == nullptr) return NullArgument("allocate");
    QSTORE_ASSIGN_OR_RETURN(const qstore::ModelReference which,
                            ReadReference(reference));
    qstore::client::MemorySink sink(
        [&](const std::string& path,
            uint64_t size_bytes) -> absl::StatusOr<qstore::MutableByteView> {
          void* const memory =
              allocate(allocate_context, path.c_str(), size_bytes);
          if (memory == nullptr) {
            return absl::ResourceExhaustedError(
                absl::StrCat("no memory was given for the ", size_bytes,
                             " bytes of file ", qstore::Quoted(path)));
          }
          return qstore::MutableByteView(static_cast<uint8_t*>(memory),
                                         size_bytes);
        });
    return ReadInto(session, which, options, &sink);
  });
}

qstore_code qstore_read_file(qstore_session* session, const char* reference,
                             const char* path, void* memory,
                             uint64_t capacity_bytes, uint64_t* size_bytes,
                             const qstore_read_options* options,
                             qstore_error** error) {
  using namespace qstore::client::c;  // NOLINT(google-build-using-namespace)
  return Guard(error, [&]() -> absl::Status {
    if (session == nullptr) return NullArgument("session");
    if (path == nullptr) return NullArgument("path");
    if (size_bytes == nullptr) return NullArgument("size_bytes");
    if (memory == nullptr && capacity_bytes > 0) return NullArgument("memory");
    QSTORE_ASSIGN_OR_RETURN(const qstore::ModelReference which,
                            ReadReference(reference));
    return ReadOneFile(session, which, path,
                       {static_cast<uint8_t*>(memory), capacity_bytes}, options,
                       size_bytes);
  });
}

// NOLINTEND(readability-identifier-naming)
