// A client over the generated stub that decodes what it downloads and checks
// every checksum on the way.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "codec/layer.h"
#include "model/layer_bytes.h"
#include "model/manifest.h"
#include "model/read_plan.h"
#include "qstore/v1/model_store.grpc.pb.h"
#include "tests/server/test_model.h"

namespace qstore::server {

// Numbers of layers as keys, records and messages have them; spelled out here,
// so that a change of them cannot pass unseen.
inline constexpr codec::LayerNumber kOriginal = 0;
inline constexpr codec::LayerNumber kInt8 = 1;
inline constexpr codec::LayerNumber kResidual = 2;
inline constexpr codec::LayerNumber kPlain = 3;

v1::Reference MakeReference(const std::string& model,
                            const std::string& tag = "");

// Messages of a well-formed upload, payloads of at most `payload_bytes`.
std::vector<v1::UploadRequest> UploadMessages(const std::string& name,
                                              const TestModel& model,
                                              size_t payload_bytes = 1u << 20);
v1::UploadRequest BeginMessage(const std::string& name,
                               const std::string& tag = "");
v1::UploadRequest FileMessage(const std::string& path, uint64_t size_bytes);
v1::UploadRequest BytesMessage(const std::string& payload);
v1::UploadRequest EndMessage(uint64_t file_count, uint64_t total_bytes);

// Sends the messages, as far as the server takes them.
grpc::Status SendUpload(v1::ModelStore::Stub& stub,
                        const std::vector<v1::UploadRequest>& messages,
                        v1::UploadResponse* response);

struct DownloadResult {
  grpc::Status status;
  model::Manifest manifest;
  // Made here, as the server makes it.
  model::ReadPlan plan;
  uint64_t page_count = 0;
  uint64_t value_count = 0;
  model::LayerBytes received;  // payload bytes, counted here
  bool ended = false;          // the end message came
  // Decoded chunks by object and chunk index: for the original precision, and
  // of layers that give the original.
  std::map<std::pair<uint32_t, uint32_t>, std::string> chunks;
  // Files that the selection has whole, put together, for the original
  // precision and when nothing is held.
  TestModel files;
  // Decoded codes by object index, for int8.
  std::map<uint64_t, std::vector<int8_t>> codes;
};

v1::DownloadRequest MakeDownload(const v1::Reference& reference,
                                 codec::LayerNumber layer = kOriginal);

// Downloads, decodes, and checks sizes, order and checksums by EXPECT.
DownloadResult Download(v1::ModelStore::Stub& stub,
                        const v1::DownloadRequest& request);
DownloadResult Download(v1::ModelStore::Stub& stub,
                        const v1::Reference& reference,
                        codec::LayerNumber layer);

// Planned bytes of the tensor, its rows trimmed, out of result.chunks.
std::string PlannedBytes(const DownloadResult& result,
                         const std::string& tensor);

// Reads all pages of GetRevision, and checks that each is small.
grpc::Status ReadManifest(v1::ModelStore::Stub& stub,
                          const v1::Reference& reference,
                          model::Manifest* manifest,
                          uint64_t* page_count = nullptr);
// EXPECTs that the checksum is right.
v1::ManifestPage ParsePage(const v1::Checked& checked);

// Object of the first segment of this name. EXPECTs that there is one.
const model::Object& ObjectOf(const model::Manifest& manifest,
                              const std::string& tensor);

// Reads the stream to its end; *last is its last message.
grpc::Status Verify(v1::ModelStore::Stub& stub, const v1::Reference& reference,
                    v1::VerifyResponse* last);

}  // namespace qstore::server
