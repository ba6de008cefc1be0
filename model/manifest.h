// What a revision is: its files, their tensors, and how these are stored. There
// is one manifest of a revision, on the wire as in memory; downloads, decoded
// reads, verification and listings all come from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/layer_bytes.h"
#include "model/object.h"

namespace qstore::model {

// A run of a file's bytes: the header of a safetensors file, one of its
// tensors, or all of any other file.
struct Segment {
  size_t object_index = 0;  // in Manifest::objects
  std::string tensor_name;  // empty when it is no tensor
  uint64_t raw_bytes = 0;

  bool operator==(const Segment&) const = default;
};

// A file is the concatenation of its segments.
struct File {
  std::string path;
  uint64_t size_bytes = 0;
  bool safetensors = false;
  std::vector<Segment> segments;

  bool operator==(const File&) const = default;
};

struct Manifest {
  std::string model;
  std::string revision;
  int64_t created_unix_seconds = 0;
  std::string quantizer;          // asked for when it was uploaded
  std::vector<std::string> tags;  // that name it
  LayerBytes stored;              // keys and records included
  uint64_t original_bytes = 0;    // of all files
  uint64_t two_copies_bytes = 0;  // original files and INT8 files
  std::vector<File> files;
  // Numbered by their first use, so that a file's header comes before its
  // tensors. Several segments may name one object.
  std::vector<Object> objects;

  std::string name() const { return model + "@" + revision; }
};

// Checks what no honest server sends and no sound store holds: sizes that do
// not add up, layers that do not stand on one another, paths that leave the
// directory, objects that no file uses. INVALID_ARGUMENT names the file, tensor
// or chunk and the numbers that disagree.
absl::Status ValidateObject(const Object& object);
absl::Status ValidateManifest(const Manifest& manifest);

// What the values of an object's layers and their keys take; of what is no
// tensor, `other`.
LayerBytes StoredValueBytes(const Object& object);

// "file x.safetensors: tensor y: chunk 3", of the first segment that names the
// object. Linear in the number of segments: for messages.
std::string DescribeObject(const Manifest& manifest, size_t object_index);

}  // namespace qstore::model
