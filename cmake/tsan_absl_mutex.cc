// Tells ThreadSanitizer what absl::Mutex and absl::Notification do. Debian's
// absl is not instrumented, so without this every mutex of ours would look like
// none.
//
// Linked into the tests of the tsan build alone. These definitions come before
// those of libabsl_synchronization.so, which they call. A mutex is annotated
// from outside: what was done before it was released happens before what is
// done after it is taken. The library evaluates conditions in whichever thread
// holds the mutex, also inside Unlock; those reads are not to be looked at.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/base/config.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

namespace {

#define QSTORE_TEXT_INNER(text) #text
#define QSTORE_TEXT(text) QSTORE_TEXT_INNER(text)
constexpr char kNamespace[] = QSTORE_TEXT(ABSL_OPTION_INLINE_NAMESPACE_NAME);

// A function of the library, by its mangled name without the namespace.
void* Find(const char* qualifiers, const std::string& rest) {
  const std::string space = kNamespace;
  const std::string name = std::string("_ZN") + qualifiers + "4absl" +
                           std::to_string(space.size()) + space + rest;
  void* found = ::dlsym(RTLD_NEXT, name.c_str());
  if (found == nullptr) {
    std::fprintf(stderr, "tsan_absl_mutex.cc: absl has no %s\n", name.c_str());
    std::abort();
  }
  return found;
}

// A method of class Mutex; `arguments` as they are mangled.
void* FindInMutex(const std::string& method, const std::string& arguments) {
  return Find(
      "", "5Mutex" + std::to_string(method.size()) + method + "E" + arguments);
}

template <typename Result>
using Plain = Result (*)(absl::Mutex*);

class IgnoringReads {
 public:
  IgnoringReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~IgnoringReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

template <typename Call>
auto Taking(absl::Mutex* mutex, const Call& call) {
  struct Taken {
    absl::Mutex* mutex;
    ~Taken() { __tsan_acquire(mutex); }
  } const taken{mutex};
  const IgnoringReads ignoring;
  return call();
}

template <typename Call>
auto Releasing(absl::Mutex* mutex, const Call& call) {
  __tsan_release(mutex);
  const IgnoringReads ignoring;
  return call();
}

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static const auto real =
      reinterpret_cast<Plain<void>>(FindInMutex("Lock", "v"));
  Taking(this, [this] { real(this); });
}

void Mutex::Unlock() {
  static const auto real =
      reinterpret_cast<Plain<void>>(FindInMutex("Unlock", "v"));
  Releasing(this, [this] { real(this); });
}

void Mutex::ReaderLock() {
  static const auto real =
      reinterpret_cast<Plain<void>>(FindInMutex("ReaderLock", "v"));
  Taking(this, [this] { real(this); });
}

void Mutex::ReaderUnlock() {
  static const auto real =
      reinterpret_cast<Plain<void>>(FindInMutex("ReaderUnlock", "v"));
  Releasing(this, [this] { real(this); });
}

bool Mutex::TryLock() {
  static const auto real =
      reinterpret_cast<Plain<bool>>(FindInMutex("TryLock", "v"));
  return Taking(this, [this] { return real(this); });
}

#if ABSL_LTS_RELEASE_VERSION < 20240722

namespace {

template <typename Result>
using WithCondition = Result (*)(absl::Mutex*, const absl::Condition&);
using WithTimeout = bool (*)(absl::Mutex*, const absl::Condition&,
                             absl::Duration);

constexpr char kCondition[] = "RKNS0_9ConditionE";
constexpr char kConditionAndTimeout[] = "RKNS0_9ConditionENS0_8DurationE";

}  // namespace

void Mutex::LockWhen(const Condition& cond) {
  static const auto real = reinterpret_cast<WithCondition<void>>(
      FindInMutex("LockWhen", kCondition));
  Taking(this, [&] { real(this, cond); });
}

void Mutex::Await(const Condition& cond) {
  static const auto real =
      reinterpret_cast<WithCondition<void>>(FindInMutex("Await", kCondition));
  __tsan_release(this);
  Taking(this, [&] { real(this, cond); });
}

bool Mutex::LockWhenWithTimeout(const Condition& cond, Duration timeout) {
  static const auto real = reinterpret_cast<WithTimeout>(
      FindInMutex("LockWhenWithTimeout", kConditionAndTimeout));
  return Taking(this, [&] { return real(this, cond, timeout); });
}

bool Mutex::AwaitWithTimeout(const Condition& cond, Duration timeout) {
  static const auto real = reinterpret_cast<WithTimeout>(
      FindInMutex("AwaitWithTimeout", kConditionAndTimeout));
  __tsan_release(this);
  return Taking(this, [&] { return real(this, cond, timeout); });
}

#else  // Await, LockWhen and the like are inline, and call these two.

namespace {

using synchronization_internal::KernelTimeout;

constexpr char kCondition[] =
    "RKNS0_9ConditionENS0_24synchronization_internal13KernelTimeoutE";

}  // namespace

bool Mutex::LockWhenCommon(const Condition& cond, KernelTimeout timeout,
                           bool write) {
  static const auto real =
      reinterpret_cast<bool (*)(Mutex*, const Condition&, KernelTimeout, bool)>(
          FindInMutex("LockWhenCommon", std::string(kCondition) + "b"));
  return Taking(this, [&] { return real(this, cond, timeout, write); });
}

bool Mutex::AwaitCommon(const Condition& cond, KernelTimeout timeout) {
  static const auto real =
      reinterpret_cast<bool (*)(Mutex*, const Condition&, KernelTimeout)>(
          FindInMutex("AwaitCommon", kCondition));
  __tsan_release(this);
  return Taking(this, [&] { return real(this, cond, timeout); });
}

#endif

void Notification::Notify() {
  static const auto real = reinterpret_cast<void (*)(Notification*)>(
      Find("", "12Notification6NotifyEv"));
  __tsan_release(this);
  real(this);
}

void Notification::WaitForNotification() const {
  static const auto real = reinterpret_cast<void (*)(const Notification*)>(
      Find("K", "12Notification19WaitForNotificationEv"));
  real(this);
  __tsan_acquire(const_cast<Notification*>(this));
}

ABSL_NAMESPACE_END
}  // namespace absl
