// What calls of a session gave.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/layer_bytes.h"

namespace qstore::client {

// What travelled, over all attempts.
struct Transfer {
  uint64_t bytes_sent = 0;      // serialized requests
  uint64_t bytes_received = 0;  // serialized responses, = received.total()
  // Payload by layer; what is around it (manifests, message headers) counts as
  // `other`.
  model::LayerBytes received;
  // What had arrived before the last attempt and did not travel again: bytes of
  // files for an upload, stored bytes for a download.
  uint64_t resumed_bytes = 0;
  int attempts = 0;
  double seconds = 0;
};

struct UploadResult {
  std::string model;
  std::string tag;
  std::string revision;
  bool created = false;    // false: this very content was stored already
  std::string moved_from;  // what the tag named before; empty: nothing else
  std::string quantizer;   // "none" when nothing was quantized
  uint64_t quantized_tensors = 0;
  uint64_t file_count = 0;
  uint64_t file_bytes = 0;
  model::LayerBytes stored;
  // What the same model takes as original files and INT8 files.
  uint64_t two_copies_bytes = 0;
  Transfer transfer;
};

struct DownloadResult {
  std::string model;
  std::string revision;
  std::string precision;  // "original" or "int8"
  // Of INT8 files; empty when the files are those that were uploaded.
  std::string format;
  // All of it was there already, which was verified; nothing was written.
  bool up_to_date = false;
  uint64_t file_count = 0;
  uint64_t file_bytes = 0;
  Transfer transfer;
};

struct DeleteResult {
  std::string revision;
  std::vector<std::string> removed_tags;
  bool revision_deleted = false;  // false: other tags still name it
  uint64_t reclaimed_bytes = 0;   // nobody needs them any more
  uint64_t stored_bytes = 0;      // what the revision took
};

struct VerifyResult {
  std::string revision;
  uint64_t checked_objects = 0;
  uint64_t total_objects = 0;
  uint64_t checked_bytes = 0;
  // Each names file, tensor and chunk, and what is wrong.
  std::vector<std::string> problems;
};

struct BackupResult {
  std::string path;  // on the server
  uint64_t size_bytes = 0;
};

struct Damage {
  // Empty when it is not known whose record is damaged.
  std::string model;
  std::string revision;
  std::string problem;
  int64_t first_seen_unix_seconds = 0;
  int64_t last_seen_unix_seconds = 0;
};

// The server's background check. A pass reads, decodes and checks every object
// that a revision uses, once.
struct ScrubStatus {
  bool enabled = false;
  bool running = false;
  int64_t started_unix_seconds = 0;   // of the latest pass; 0: there was none
  int64_t finished_unix_seconds = 0;  // of the last complete one; 0: none was
  uint64_t checked_objects = 0;       // by the latest pass
  uint64_t checked_bytes = 0;
  std::vector<Damage> damage;
  uint64_t unlisted_damage_count = 0;  // past those
};

}  // namespace qstore::client
