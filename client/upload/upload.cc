#include "client/upload/upload.h"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "client/rpc_status.h"
#include "client/server_faults.h"
#include "client/unary_call.h"
#include "client/upload/directory_walk.h"
#include "client/upload/read_ahead.h"
#include "client/upload/upload_checks.h"
#include "client/upload/upload_point.h"
#include "codec/int8/int8_coder.h"
#include "codec/quantizer.h"
#include "wire/layer_bytes.h"

namespace qstore::client {
namespace {

// The stream of one upload. Send returns false once the server has ended it;
// Finish tells why.
class UploadStream {
 public:
  UploadStream(Connection* connection, Cancellation* cancellation)
      : server_(connection->server()),
        writer_(connection->stub().Upload(&context_, &response_)),
        cancel_(cancellation, [this] { context_.TryCancel(); }) {}

  // A call given up half-way is cancelled, so that the server drops it.
  ~UploadStream() {
    if (finished_) return;
    context_.TryCancel();
    writer_->Finish();
  }

  bool Send(const v1::UploadRequest& request) {
    bytes_sent_ += request.ByteSizeLong();
    return writer_->Write(request);
  }

  absl::StatusOr<v1::UploadResponse> Finish() {
    writer_->WritesDone();
    finished_ = true;
    const grpc::Status status = writer_->Finish();
    if (!status.ok()) return FromGrpcStatus(status, server_);
    return response_;
  }

  uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  const std::string server_;
  grpc::ClientContext context_;
  v1::UploadResponse response_;
  std::unique_ptr<grpc::ClientWriter<v1::UploadRequest>> writer_;
  const Cancellation::Scope cancel_;
  uint64_t bytes_sent_ = 0;
  bool finished_ = false;
};

v1::UploadBegin BeginOf(const UploadOptions& options,
                        const std::string& quantizer) {
  v1::UploadBegin begin;
  begin.set_model(options.model);
  begin.set_tag(options.tag);
  v1::QuantizationOptions* quantization = begin.mutable_quantization();
  quantization->set_quantizer(quantizer);
  quantization->set_int8_coder(options.int8_coder.empty()
                                   ? std::string(codec::DefaultInt8Coder().name)
                                   : options.int8_coder);
  for (const std::string& glob : options.include) {
    quantization->add_include(glob);
  }
  for (const std::string& glob : options.exclude) {
    quantization->add_exclude(glob);
  }
  quantization->set_replace_default_excludes(options.no_default_excludes);
  return begin;
}

std::string RandomId() {
  std::random_device random;
  return absl::StrFormat("%08x%08x", random(), random());
}

using Selections = std::map<std::string, v1::TensorSelection>;

v1::UploadRequest FileRequest(const SourceFile& file,
                              const Selections& selections) {
  v1::UploadRequest request;
  request.mutable_file()->set_path(file.path);
  request.mutable_file()->set_size_bytes(file.size_bytes);
  const auto selection = selections.find(file.path);
  if (selection != selections.end()) {
    *request.mutable_file()->mutable_quantized() = selection->second;
  }
  request.mutable_file()->set_as_bytes(file.as_bytes);
  return request;
}

// Sends the files from `point` on; false when the server ended the call.
absl::StatusOr<bool> SendFiles(const std::vector<SourceFile>& files,
                               const Selections& selections,
                               const v1::UploadPoint& point,
                               UploadStream* stream, Events* events) {
  ReadAhead reader(files, {.file_index = point.file_count(),
                           .offset_bytes = point.file_offset_bytes()});
  QSTORE_ASSIGN_OR_RETURN(std::optional<ReadAhead::Block> block, reader.Next());
  bool begun = point.file_offset_bytes() > 0;
  for (size_t i = point.file_count(); i < files.size(); ++i) {
    if (!std::exchange(begun, false) &&
        !stream->Send(FileRequest(files[i], selections))) {
      return false;
    }
    while (block.has_value() && block->file_index == i) {
      const uint64_t size_bytes = block->bytes.size();
      v1::UploadRequest request;
      request.mutable_bytes()->set_payload(std::move(block->bytes));
      request.mutable_bytes()->set_xxh3(block->xxh3);
      if (!stream->Send(request)) return false;
      events->Add(size_bytes);
      QSTORE_ASSIGN_OR_RETURN(block, reader.Next());
    }
  }
  return true;
}

absl::Status CheckResponse(const v1::UploadResponse& response,
                           const UploadOptions& options, uint64_t file_bytes) {
  if (response.revision().empty()) {
    return ContradictionError(absl::StrCat(
        "uploading ", options.model,
        ": the server confirmed the upload without naming a revision"));
  }
  if (response.received_bytes() != file_bytes) {
    return DamagedInTransitError(
        absl::StrCat("uploading ", options.model, ": the server received ",
                     response.received_bytes(), " bytes, but ", file_bytes,
                     " were sent: delete revision ", response.revision(),
                     " and upload again"));
  }
  return absl::OkStatus();
}

// One upload, in as many attempts as it takes.
class Uploader {
 public:
  Uploader(const UploadOptions& options, const UploadPlan& plan,
           const Call& call, UploadResult* result)
      : options_(options),
        files_(plan.files),
        selections_(SelectionsOf(plan.quantization)),
        retrier_(*call.retrier),
        connection_(call.connection),
        events_(call.events),
        cancellation_(call.cancellation),
        result_(*result),
        begin_(BeginOf(options, result->quantizer)) {
    begin_.set_upload_key(UploadKey(begin_, files_, selections_));
    begin_.set_client_id(RandomId());
  }

  absl::Status Run() {
    absl::Status status = retrier_.Run([this] { return Attempt(); });
    result_.transfer.attempts = retrier_.attempts();
    return status;
  }

 private:
  absl::Status Attempt();
  // Asks the server what it has, and sets `resume` in begin_ if it has
  // something.
  absl::Status FindPoint();
  absl::Status SendAll();

  const UploadOptions& options_;
  const std::vector<SourceFile>& files_;
  const Selections selections_;
  Retrier& retrier_;
  Connection* const connection_;
  Events* const events_;
  Cancellation* const cancellation_;
  UploadResult& result_;
  v1::UploadBegin begin_;
  uint64_t most_held_bytes_ = 0;
};

absl::Status Uploader::Attempt() {
  QSTORE_RETURN_IF_ERROR(retrier_.Connect(connection_));
  QSTORE_RETURN_IF_ERROR(FindPoint());
  absl::Status status = SendAll();
  if (ReasonOf(status) == kReasonUploadNotResumable && begin_.has_resume()) {
    events_->Note(std::string(status.message()));
    begin_.clear_resume();
    result_.transfer.resumed_bytes = 0;
    status = SendAll();
  }
  return status;
}

absl::Status Uploader::FindPoint() {
  begin_.clear_resume();
  result_.transfer.resumed_bytes = 0;
  v1::GetUploadStateRequest request;
  request.set_upload_key(begin_.upload_key());
  request.set_client_id(begin_.client_id());
  v1::GetUploadStateResponse state;
  const absl::Status asked = CallOnce(*connection_, &connection_->stub(),
                                      &v1::ModelStore::Stub::GetUploadState,
                                      request, cancellation_, &state);
  // A server of an earlier version keeps nothing.
  if (ReasonOf(asked) == kReasonUnsupported) return absl::OkStatus();
  QSTORE_RETURN_IF_ERROR(asked);
  result_.transfer.bytes_sent += request.ByteSizeLong();
  result_.transfer.bytes_received += state.ByteSizeLong();
  if (!state.has_point() || !IsPointOf(files_, state.point())) {
    return absl::OkStatus();
  }
  const uint64_t held_bytes = BytesBefore(files_, state.point());
  if (held_bytes > most_held_bytes_) {
    most_held_bytes_ = held_bytes;
    retrier_.Progressed();
  }
  events_->Begin(absl::StrCat("comparing what ", connection_->server(),
                              " has of ", options_.model),
                 held_bytes);
  v1::UploadPoint point = state.point();
  QSTORE_ASSIGN_OR_RETURN(const uint64_t xxh3,
                          HashBefore(files_, point, *cancellation_, events_));
  events_->End();
  point.set_xxh3(xxh3);
  *begin_.mutable_resume() = point;
  result_.transfer.resumed_bytes = held_bytes;
  return absl::OkStatus();
}

absl::Status Uploader::SendAll() {
  events_->Begin(absl::StrCat("uploading ", options_.model, ":", options_.tag),
                 result_.file_bytes);
  events_->Add(result_.transfer.resumed_bytes);
  UploadStream stream(connection_, cancellation_);
  v1::UploadRequest begin;
  *begin.mutable_begin() = begin_;
  absl::StatusOr<bool> open = stream.Send(begin);
  if (*open)
    open = SendFiles(files_, selections_, begin_.resume(), &stream, events_);
  // What was read first may have been written to since: then this is no state
  // that the model was in.
  if (open.ok() && *open) {
    for (const SourceFile& file : files_) {
      if (const absl::Status unchanged = CheckUnchanged(file);
          !unchanged.ok()) {
        open = unchanged;
        break;
      }
    }
  }
  if (open.ok() && *open) {
    v1::UploadRequest end;
    end.mutable_end()->set_file_count(files_.size());
    end.mutable_end()->set_total_bytes(result_.file_bytes);
    stream.Send(end);
  }
  result_.transfer.bytes_sent += stream.bytes_sent();
  QSTORE_RETURN_IF_ERROR(open.status());
  absl::StatusOr<v1::UploadResponse> response = stream.Finish();
  events_->End();
  QSTORE_RETURN_IF_ERROR(response.status());
  result_.transfer.bytes_received += response->ByteSizeLong();
  QSTORE_RETURN_IF_ERROR(
      CheckResponse(*response, options_, result_.file_bytes));
  result_.model = response->model();
  result_.tag = response->tag();
  result_.revision = response->revision();
  result_.created = response->created();
  result_.moved_from = response->moved_from();
  QSTORE_ASSIGN_OR_RETURN(result_.stored, wire::FromWire(response->stored()));
  result_.two_copies_bytes = response->two_copies_bytes();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UploadResult> Upload(const UploadOptions& options,
                                    const UploadPlan& plan, const Call& call) {
  const auto start = std::chrono::steady_clock::now();
  UploadResult result;
  result.file_count = plan.files.size();
  for (const SourceFile& file : plan.files) {
    result.file_bytes += file.size_bytes;
  }
  result.quantized_tensors = plan.quantization.quantized_count;
  result.quantizer = result.quantized_tensors == 0
                         ? std::string(codec::kNoQuantizer)
                         : codec::QuantizerNameOr(options.quantizer);
  QSTORE_RETURN_IF_ERROR(Uploader(options, plan, call, &result).Run());
  Transfer& transfer = result.transfer;
  transfer.received.AddOther(transfer.bytes_received);
  transfer.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  return result;
}

}  // namespace qstore::client
