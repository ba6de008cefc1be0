#include "client/c/guard.h"

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "client/c/cancellation.h"

struct qstore_error {
  qstore_code code = QSTORE_OK;
  std::string message;
  std::string reason;
};

namespace qstore::client::c {

qstore_code Report(const absl::Status& status, qstore_error** error) noexcept {
  if (status.ok()) return QSTORE_OK;
  const auto code = static_cast<qstore_code>(status.code());
  if (error == nullptr) return code;
  return GuardValue(code, [&] {
    *error = new qstore_error{.code = code,
                              .message = std::string(status.message()),
                              .reason = ReasonOf(WithDefaultReason(status))};
    return code;
  });
}

absl::Status NullArgument(const char* name) {
  return absl::InvalidArgumentError(absl::StrCat(name, " is NULL"));
}

}  // namespace qstore::client::c

// NOLINTBEGIN(readability-identifier-naming): C's names.

uint32_t qstore_abi_version(void) { return QSTORE_ABI_VERSION; }

const char* qstore_version(void) { return QSTORE_VERSION; }

qstore_code qstore_error_code(const qstore_error* error) {
  return error == nullptr ? QSTORE_OK : error->code;
}

const char* qstore_error_message(const qstore_error* error) {
  return error == nullptr ? nullptr : error->message.c_str();
}

const char* qstore_error_reason(const qstore_error* error) {
  return error == nullptr ? nullptr : error->reason.c_str();
}

void qstore_error_free(qstore_error* error) { delete error; }

qstore_cancellation* qstore_cancellation_new(void) {
  return new (std::nothrow) qstore_cancellation;
}

void qstore_cancel(qstore_cancellation* cancellation) {
  if (cancellation == nullptr) return;
  qstore::client::c::GuardValue(false, [cancellation] {
    cancellation->cancellation.Cancel();
    return true;
  });
}

void qstore_cancellation_free(qstore_cancellation* cancellation) {
  delete cancellation;
}

// NOLINTEND(readability-identifier-naming)
