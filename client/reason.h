// Why something failed, in a word that programs can match. Sentences are for
// people and change.
//
// A reason travels with an absl::Status as a payload; those of the server come
// as google.rpc.ErrorInfo.reason and are spelled in the same way.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace qstore::client {

// The server could not be reached at all, as against a connection that broke.
inline constexpr char kReasonUnreachable[] = "UNREACHABLE";
// INT8 was asked for of a revision in which nothing is quantized.
inline constexpr char kReasonNoInt8[] = "NO_INT8";
// The weights were uploaded in another type than the one asked for.
inline constexpr char kReasonOtherPrecision[] = "OTHER_PRECISION";
// What is to be uploaded is plainly an accident; UploadOptions::force takes it.
inline constexpr char kReasonAccident[] = "LOOKS_LIKE_AN_ACCIDENT";

// `status`, which is an error, with a reason in place of the one it had.
absl::Status WithReason(absl::Status status, const std::string& reason);

// Empty: none was given.
std::string ReasonOf(const absl::Status& status);

}  // namespace qstore::client
