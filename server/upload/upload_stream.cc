#include "server/upload/upload_stream.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "server/calls/messages.h"

namespace qstore::server {

UploadStream* UploadStream::Start(const UploadResources& resources,
                                  const CallEnvironment& environment,
                                  grpc::CallbackServerContext* context,
                                  grpc::ByteBuffer* answer) {
  auto* call = new UploadStream(resources, environment, context, answer);
  call->Begin();
  return call;
}

UploadStream::UploadStream(const UploadResources& resources,
                           const CallEnvironment& environment,
                           grpc::CallbackServerContext* context,
                           grpc::ByteBuffer* answer)
    : PooledCall(environment, kUploadMethod, context, resources.threads,
                 "sent"),
      resources_(resources),
      answer_(answer) {}

absl::Status UploadStream::Work() {
  v1::UploadResponse response;
  QSTORE_RETURN_IF_ERROR(UploadCall(resources_, &frame(), this).Run(&response));
  *answer_ = Serialized(response);
  return absl::OkStatus();
}

void UploadStream::EndWith(const grpc::Status& status) {
  if (!status.ok()) answer_->Clear();
  Finish(status);
}

absl::StatusOr<bool> UploadStream::Read(v1::UploadRequest* request) {
  {
    const absl::MutexLock lock(&mutex_);
    read_ = false;
  }
  stall().BeginWait();
  StartRead(&message_);
  bool ok = false;
  {
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&read_));
    ok = read_ok_;
  }
  stall().EndWait();
  if (!ok) return false;
  ++message_count_;
  const absl::Status parsed = ParseMessage(message_, request);
  message_.Clear();
  if (parsed.ok()) return true;
  return Annotate(parsed,
                  absl::StrCat("message ", message_count_, " of the stream"));
}

void UploadStream::OnReadDone(bool ok) {
  const absl::MutexLock lock(&mutex_);
  read_ = true;
  read_ok_ = ok;
}

}  // namespace qstore::server
