// Keeps in memory the documents that change when a model is exported
// (config.json, indexes), and hands everything else on. A sink thus gets each
// byte once, with the size that the file will have.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "client/sinks/sink.h"

namespace qstore::client {

class HeldDocuments final : public FileWriter {
 public:
  // Those of `paths` that model::IsModelDocument names are kept. `inner` must
  // outlive this.
  HeldDocuments(const std::vector<std::string>& paths, FileWriter* inner);

  // Text by path, once all has been written.
  std::map<std::string, std::string> Documents() const;
  // Hands the documents on, with the text of `documents`; returns how many
  // bytes they have.
  absl::StatusOr<uint64_t> WriteDocuments(
      const std::map<std::string, std::string>& documents);
  bool IsHeld(size_t file_index) const { return held_.contains(file_index); }

  absl::Status DeclareSize(size_t file_index, uint64_t size_bytes) override;
  absl::Status Write(size_t file_index, uint64_t offset_bytes,
                     ByteView bytes) override;
  // From a document to any file, or between two others: objects of which there
  // are several copies are first written to a document where one has them.
  absl::Status Copy(size_t from_index, uint64_t from_offset_bytes,
                    size_t to_index, uint64_t to_offset_bytes,
                    uint64_t size_bytes) override;
  bool CanResume(size_t file_index) const override;
  absl::Status ReadEarlier(size_t file_index, uint64_t offset_bytes,
                           MutableByteView out) const override;
  absl::Status KeepEarlier(size_t file_index, uint64_t size_bytes) override;

 private:
  struct Document {
    std::string path;
    std::string text;
  };
  std::map<size_t, Document> held_;  // by file
  FileWriter* const inner_;
};

}  // namespace qstore::client
