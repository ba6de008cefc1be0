// A client over the generated stub that decodes what it downloads and checks
// every checksum on the way.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "qstore/v1/model_store.grpc.pb.h"
#include "tests/server/test_model.h"

namespace qstore::server {

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
  v1::RevisionManifest manifest;
  std::vector<v1::ObjectManifest> objects;
  v1::BytesByKind received;  // payload bytes, counted here
  bool ended = false;        // the end message came
  // Decoded and put together, for the original precision.
  TestModel files;
  // Decoded codes by object index, for int8.
  std::map<uint64_t, std::vector<int8_t>> codes;
};

// Downloads, decodes, and checks sizes, order and checksums by EXPECT.
DownloadResult Download(v1::ModelStore::Stub& stub,
                        const v1::Reference& reference,
                        v1::Precision precision);

// Reads the stream to its end; *last is its last message.
grpc::Status Verify(v1::ModelStore::Stub& stub, const v1::Reference& reference,
                    v1::VerifyResponse* last);

}  // namespace qstore::server
