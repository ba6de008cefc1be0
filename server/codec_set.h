// Encoders, decoders and their working memory, lent to pool tasks.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/bytes.h"
#include "codec/layer_stack.h"

namespace qstore::server {

// What one thread needs to encode or check one chunk. Not thread-safe.
struct CodecSet {
  codec::StackEncoder encoder;
  codec::StackDecoder decoder;
  // Decoded chunk: reused, so that steady work allocates nothing.
  ByteVector raw;
  codec::ChunkValues values;
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

  absl::Mutex mutex_;
  std::vector<std::unique_ptr<CodecSet>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace qstore::server
