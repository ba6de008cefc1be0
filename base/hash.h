// Checksums (XXH3, against accidents) and content hashes (SHA-256, against
// collisions made on purpose, since equal objects are stored once).
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace qstore {

uint64_t Xxh3(ByteView bytes);

// The same over bytes that come in pieces. Copies go on by themselves.
class Xxh3Stream {
 public:
  Xxh3Stream();
  Xxh3Stream(const Xxh3Stream& other);
  Xxh3Stream& operator=(const Xxh3Stream& other);
  ~Xxh3Stream();
  void Update(ByteView bytes);
  // Of all bytes so far.
  uint64_t Digest() const;

  // All of it, for another process to go on; only for the same version of the
  // library.
  std::string Save() const;
  // False, and then this is of no use: not of Save, or of another version.
  bool Restore(ByteView saved);

 private:
  void* state_;  // XXH3_state_t
};

using Sha256Digest = std::array<uint8_t, 32>;

// One SHA-256 computation; reusable after Finish. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(ByteView bytes);
  Sha256Digest Finish();

 private:
  void* context_;  // EVP_MD_CTX
};

Sha256Digest Sha256Of(ByteView bytes);

std::string HexEncode(ByteView bytes);

}  // namespace qstore
