#include "tests/codec/counted_memory.h"

#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>

namespace {

std::atomic<uint64_t> allocations = 0;
std::atomic<int64_t> live_bytes = 0;
std::atomic<int64_t> peak_bytes = 0;

void* Count(void* block) {
  if (block != nullptr) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    const auto bytes = static_cast<int64_t>(malloc_usable_size(block));
    const int64_t live = live_bytes.fetch_add(bytes) + bytes;
    int64_t peak = peak_bytes.load();
    while (peak < live && !peak_bytes.compare_exchange_weak(peak, live)) {
    }
  }
  return block;
}

void Discount(void* block) {
  if (block != nullptr) {
    live_bytes.fetch_sub(static_cast<int64_t>(malloc_usable_size(block)));
  }
}

}  // namespace

namespace qstore::codec {

MemoryCount CountedMemory() {
  return {allocations.load(), live_bytes.load(), peak_bytes.load()};
}

void ResetPeak() { peak_bytes.store(live_bytes.load()); }

}  // namespace qstore::codec

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

// NOLINTBEGIN(misc-new-delete-overloads)
void* operator new(size_t size) { return Count(std::malloc(size)); }
void* operator new(size_t size, std::align_val_t alignment) {
  const auto step = static_cast<size_t>(alignment);
  return Count(std::aligned_alloc(step, (size + step - 1) / step * step));
}
void operator delete(void* block) noexcept {
  Discount(block);
  std::free(block);
}
void operator delete(void* block, size_t) noexcept { operator delete(block); }
void operator delete(void* block, std::align_val_t) noexcept {
  operator delete(block);
}
void operator delete(void* block, size_t, std::align_val_t) noexcept {
  operator delete(block);
}
// NOLINTEND(misc-new-delete-overloads)

bool qstore::codec::CountsAll() { return false; }

#else

bool qstore::codec::CountsAll() { return true; }

extern "C" {
// glibc's own names, for what is replaced and for parameters.
// NOLINTBEGIN(readability-identifier-naming)
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* block, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* block);

void* malloc(size_t size) { return Count(__libc_malloc(size)); }
void* calloc(size_t count, size_t size) {
  return Count(__libc_calloc(count, size));
}
void* realloc(void* block, size_t size) {
  Discount(block);
  return Count(__libc_realloc(block, size));
}
void* memalign(size_t alignment, size_t size) {
  return Count(__libc_memalign(alignment, size));
}
void* aligned_alloc(size_t alignment, size_t size) {
  return Count(__libc_memalign(alignment, size));
}
int posix_memalign(void** block, size_t alignment, size_t size) {
  *block = Count(__libc_memalign(alignment, size));
  return *block == nullptr ? ENOMEM : 0;
}
void free(void* block) {
  Discount(block);
  __libc_free(block);
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
// NOLINTEND(readability-identifier-naming)
}

#endif
