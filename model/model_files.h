// What of a model's files decides how its tensors are stored and exported:
// their names, the tensors in them, and the small JSON documents beside them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/dtype.h"
#include "model/safetensors.h"

namespace qstore::model {

// A safetensors file.
struct WeightFile {
  std::string path;  // relative to the model directory, '/' between segments
  std::vector<TensorEntry> tensors;
};

struct ModelFiles {
  std::vector<WeightFile> weights;
  // Text by path, of files that IsModelDocument names.
  std::map<std::string, std::string> documents;
};

// "a/b" of "a/b/c"; "" of "c".
std::string DirectoryOf(std::string_view path);
std::string FileNameOf(std::string_view path);
// `name` in `directory`, which may be "".
std::string PathIn(const std::string& directory, const std::string& name);

// The path that an index at `index_path` means by the name of a shard, which
// may begin with "./" or be in a directory below.
std::string ShardPath(const std::string& index_path, const std::string& shard);

// Whether PlanQuantization wants to read the file: config.json, what announces
// adapters and quantized weights, and indexes of shards.
bool IsModelDocument(std::string_view path);

// X.safetensors.index.json of Transformers, and diffusers' two spellings with a
// variant in it.
bool IsShardIndex(std::string_view path);

// The weight_map of an index: tensor to path, the index's directory in front.
// FAILED_PRECONDITION, in words that follow "it", when it has none.
absl::StatusOr<std::map<std::string, std::string>> ReadWeightMap(
    const std::string& index_path, std::string_view text);

// The directory whose config.json speaks for the weights in `path`: its own, or
// the nearest above whose index names it. A null pointer: none does.
//
// Of a directory's files, those that Transformers reads: model*.safetensors or
// what an index names; any other only where there is none of these.
class GoverningConfigs {
 public:
  explicit GoverningConfigs(const ModelFiles& files);

  struct Answer {
    const std::string* directory = nullptr;  // with a config.json
    // Why none, though one lies beside the file; empty otherwise.
    const char* reason = "";
  };
  Answer Of(const std::string& path) const;

 private:
  std::map<std::string, Answer> answers_;
  std::map<std::string, std::string> directories_;  // keeps the names
};

}  // namespace qstore::model
