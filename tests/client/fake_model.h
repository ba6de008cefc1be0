// A model as a server would store and send it, made by the real codec, and the
// messages of its download, which a test may then spoil.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "codec/chunk.h"
#include "model/dtype.h"
#include "model/manifest.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

struct FakeTensor {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<uint64_t> shape;
  bool quantized = false;
  std::string bytes;  // of the right size
  // kChannel, or kTensor of F32 weights.
  codec::ScaleStrategy strategy = codec::ScaleStrategy::kChannel;
};

// Tensors with fixed pseudo-random weights around zero.
FakeTensor MakeTensor(const std::string& name, Dtype dtype,
                      std::vector<uint64_t> shape, bool quantized);

class FakeModel {
 public:
  // Rows of a chunk of a quantized tensor, small so that tensors have several.
  static constexpr uint32_t kChunkRows = 3;
  // Bytes of any other chunk, so that borders of chunks lie within rows.
  static constexpr uint64_t kPlainChunkBytes = 40;

  explicit FakeModel(uint64_t plain_chunk_bytes = kPlainChunkBytes);

  void AddFile(const std::string& path, const std::string& contents);
  void AddSafetensors(const std::string& path,
                      const std::vector<FakeTensor>& tensors);

  // Contents by path: what the download must give back.
  const std::map<std::string, std::string>& contents() const {
    return contents_;
  }
  const model::Manifest& manifest() const { return manifest_; }

  std::vector<v1::ManifestPage> Pages() const;

  // All messages of what an honest server answers.
  absl::StatusOr<std::vector<v1::DownloadResponse>> Answer(
      const v1::DownloadRequest& request) const;
  // The same, of everything.
  std::vector<v1::DownloadResponse> Stream(v1::Precision precision) const;

 private:
  void AddSegment(size_t object_index, const std::string& tensor_name,
                  model::File* file);
  void CountFile(const model::File& file);
  size_t AddOpaque(const std::string& contents);
  size_t AddTensor(const FakeTensor& tensor);
  // Encodes `contents`, which the object describes, and adds both unless they
  // are there under this key.
  size_t AddObject(const std::string& key, model::Object object,
                   const std::string& contents);

  uint64_t plain_chunk_bytes_;
  std::map<std::string, std::string> contents_;
  model::Manifest manifest_;
  // By object and chunk: all its values, one after another.
  std::vector<std::vector<std::string>> stored_;
  std::map<std::string, size_t> object_by_content_;
};

// Replaces the checked message in `checked`, checksum included.
void SetChecked(const google::protobuf::MessageLite& message,
                v1::Checked* checked);

}  // namespace qstore::client
