// A model as a server would store and send it, made by the real codec, and the
// messages of its download, which a test may then spoil.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "model/dtype.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

struct FakeTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<uint64_t> shape;
  bool quantized = false;
  std::string bytes;  // of the right size
};

// Tensors with fixed pseudo-random weights around zero.
FakeTensor MakeTensor(const std::string& name, Dtype dtype,
                      std::vector<uint64_t> shape, bool quantized);

class FakeModel {
 public:
  // Rows per chunk, small so that tensors have several.
  static constexpr uint32_t kChunkRows = 3;

  void AddFile(const std::string& path, const std::string& contents);
  void AddSafetensors(const std::string& path,
                      const std::vector<FakeTensor>& tensors);

  // Contents by path: what the download must give back.
  const std::map<std::string, std::string>& contents() const {
    return contents_;
  }

  v1::GetRevisionResponse Summary() const;

  // The whole stream, with blobs cut into parts of at most `part_bytes`.
  std::vector<v1::DownloadResponse> Stream(v1::Precision precision,
                                           size_t part_bytes) const;

 private:
  struct Blob {
    v1::BlobManifest manifest;
    std::string bytes;
  };
  struct Object {
    v1::ObjectManifest manifest;           // without blobs
    std::vector<std::vector<Blob>> blobs;  // by chunk
  };

  uint64_t AddOpaque(const std::string& contents);
  uint64_t AddTensor(const FakeTensor& tensor);
  static Object EncodeQuantized(const FakeTensor& tensor);
  static Object EncodePlain(v1::ObjectKind kind, const std::string& contents,
                            Dtype dtype);
  void AddSegment(uint64_t object_index, const std::string& tensor_name,
                  v1::FileManifest* file);

  std::map<std::string, std::string> contents_;
  std::vector<v1::FileManifest> files_;
  std::vector<v1::FileSummary> summaries_;
  std::vector<Object> objects_;
  std::map<std::string, uint64_t> object_by_content_;
};

// Replaces the checked message in `response`, checksum included.
void SetChecked(const google::protobuf::MessageLite& message,
                v1::Checked* checked);

}  // namespace qstore::client
