// Encoders, decoders and their working memory, lent to pool tasks.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/bytes.h"
#include "codec/chunk_codec.h"
#include "codec/plain/plain_codec.h"

namespace qstore::server {

// What one thread needs to encode or check one chunk. Not thread-safe.
struct CodecSet {
  codec::ChunkEncoder encoder{codec::EncodeOptions{}};
  codec::ChunkDecoder decoder;
  codec::PlainCodec plain;
  // Decoded chunk: reused, so that steady work allocates nothing.
  ByteVector raw;
  std::vector<int8_t> codes;
  std::vector<float> scales;
};

// Lends codec sets, most recently used first: there are never more of them
// than tasks that ran at once, and the byte budget of the chunks bounds those.
// Thread-safe; must outlive its loans.
class CodecPool {
 public:
  class Loan {
   public:
    explicit Loan(CodecPool* pool) : pool_(pool), set_(pool->Take()) {}
    ~Loan() { pool_->GiveBack(std::move(set_)); }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    CodecSet& operator*() const { return *set_; }

   private:
    CodecPool* pool_;
    std::unique_ptr<CodecSet> set_;
  };

 private:
  std::unique_ptr<CodecSet> Take();
  void GiveBack(std::unique_ptr<CodecSet> set);

  std::mutex mutex_;
  std::vector<std::unique_ptr<CodecSet>> idle_;  // guarded by mutex_
};

}  // namespace qstore::server
