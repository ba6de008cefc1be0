#include "client/upload.h"

#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/quote.h"
#include "base/status.h"
#include "client/directory_walk.h"
#include "client/read_ahead.h"
#include "client/rpc_status.h"

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

v1::UploadRequest BeginRequest(const UploadOptions& options,
                               const std::string& quantizer) {
  v1::UploadRequest request;
  v1::UploadBegin* begin = request.mutable_begin();
  begin->set_model(options.model);
  begin->set_tag(options.tag);
  v1::QuantizationOptions* quantization = begin->mutable_quantization();
  quantization->set_quantizer(quantizer);
  quantization->set_int8_coder(options.int8_coder);
  for (const std::string& glob : options.include) {
    quantization->add_include(glob);
  }
  for (const std::string& glob : options.exclude) {
    quantization->add_exclude(glob);
  }
  quantization->set_replace_default_excludes(options.no_default_excludes);
  return request;
}

v1::UploadRequest FileRequest(const SourceFile& file) {
  v1::UploadRequest request;
  request.mutable_file()->set_path(file.path);
  request.mutable_file()->set_size_bytes(file.size_bytes);
  return request;
}

// Sends all files; false when the server ended the call.
absl::StatusOr<bool> SendFiles(const std::vector<SourceFile>& files,
                               UploadStream* stream, Progress* progress) {
  ReadAhead reader(files);
  QSTORE_ASSIGN_OR_RETURN(std::optional<ReadAhead::Block> block, reader.Next());
  for (size_t i = 0; i < files.size(); ++i) {
    if (!stream->Send(FileRequest(files[i]))) return false;
    while (block.has_value() && block->file_index == i) {
      const uint64_t size_bytes = block->bytes.size();
      v1::UploadRequest request;
      request.mutable_bytes()->set_payload(std::move(block->bytes));
      request.mutable_bytes()->set_xxh3(block->xxh3);
      if (!stream->Send(request)) return false;
      progress->Add(size_bytes);
      QSTORE_ASSIGN_OR_RETURN(block, reader.Next());
    }
  }
  return true;
}

absl::Status CheckResponse(const v1::UploadResponse& response,
                           const UploadOptions& options, uint64_t file_bytes) {
  if (response.revision().empty()) {
    return absl::InternalError(absl::StrCat(
        "uploading ", options.model,
        ": the server confirmed the upload without naming a revision"));
  }
  if (response.received_bytes() != file_bytes) {
    return absl::DataLossError(
        absl::StrCat("uploading ", options.model, ": the server received ",
                     response.received_bytes(), " bytes, but ", file_bytes,
                     " were sent: delete revision ", response.revision(),
                     " and upload again"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UploadResult> Upload(const UploadOptions& options,
                                    double connect_timeout_seconds,
                                    Connection* connection, Progress* progress,
                                    Cancellation* cancellation) {
  const auto start = std::chrono::steady_clock::now();
  QSTORE_ASSIGN_OR_RETURN(const std::vector<SourceFile> files,
                          ListModelFiles(options.source));
  UploadResult result;
  result.file_count = files.size();
  for (const SourceFile& file : files) {
    if (IsSafetensorsPath(file.path)) {
      QSTORE_RETURN_IF_ERROR(CheckSafetensorsFile(file));
    }
    result.file_bytes += file.size_bytes;
  }
  result.quantizer = options.quantizer;
  if (options.quantizer != "none") {
    QSTORE_ASSIGN_OR_RETURN(result.quantized_config,
                            FindQuantizedConfig(files));
    if (!result.quantized_config.empty()) result.quantizer = "none";
  }
  QSTORE_RETURN_IF_ERROR(connection->Connect(connect_timeout_seconds));

  const std::string target = absl::StrCat(options.model, ":", options.tag);
  progress->Begin(absl::StrCat("uploading ", target), result.file_bytes);
  UploadStream stream(connection, cancellation);
  bool open = stream.Send(BeginRequest(options, result.quantizer));
  if (open) {
    QSTORE_ASSIGN_OR_RETURN(open, SendFiles(files, &stream, progress));
  }
  if (open) {
    v1::UploadRequest end;
    end.mutable_end()->set_file_count(files.size());
    end.mutable_end()->set_total_bytes(result.file_bytes);
    stream.Send(end);
  }
  absl::StatusOr<v1::UploadResponse> response = stream.Finish();
  progress->End();
  if (!response.ok()) return response.status();
  QSTORE_RETURN_IF_ERROR(CheckResponse(*response, options, result.file_bytes));
  result.response = *std::move(response);
  result.bytes_sent = stream.bytes_sent();
  result.bytes_received = result.response.ByteSizeLong();
  result.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  return result;
}

}  // namespace qstore::client
