// Why something failed, in a word that programs can match. Sentences are for
// people and change; these words do not: they are part of the public API
// (docs/decisions/error-details.md), where they travel as
// google.rpc.ErrorInfo.reason.
//
// Inside the project a reason travels with an absl::Status as a payload, which
// Annotate keeps.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace qstore {

// The table: REASON(constant, word, the code it comes with, meaning). Add, but
// never rename or reuse.
#define QSTORE_ERROR_REASONS(REASON)                                           \
  /* What was asked for. */                                                    \
  REASON(InvalidRequest, "INVALID_REQUEST", kInvalidArgument,                  \
         "the request contradicts the API")                                    \
  REASON(InvalidName, "INVALID_NAME", kInvalidArgument,                        \
         "a model, tag, revision, path, key or backup name is malformed")      \
  REASON(InvalidPageToken, "INVALID_PAGE_TOKEN", kInvalidArgument,             \
         "no answer had this page token: begin without one")                   \
  REASON(InvalidSelection, "INVALID_SELECTION", kInvalidArgument,              \
         "the selection or representation cannot be read from this revision")  \
  REASON(InvalidQuantization, "INVALID_QUANTIZATION", kInvalidArgument,        \
         "no such quantization")                                               \
  REASON(InvalidSafetensors, "INVALID_SAFETENSORS", kInvalidArgument,          \
         "an uploaded file is not what its name says")                         \
  REASON(UploadTooLarge, "UPLOAD_TOO_LARGE", kInvalidArgument,                 \
         "more files, tensors or bytes than the server takes in one upload")   \
  REASON(AmbiguousRevision, "AMBIGUOUS_REVISION", kInvalidArgument,            \
         "several revisions begin with these digits")                          \
  REASON(ModelNotFound, "MODEL_NOT_FOUND", kNotFound, "no such model")         \
  REASON(TagNotFound, "TAG_NOT_FOUND", kNotFound, "the model has no such tag") \
  REASON(RevisionNotFound, "REVISION_NOT_FOUND", kNotFound,                    \
         "the model has no such revision")                                     \
  REASON(NotFound, "NOT_FOUND", kNotFound, "something else is missing")        \
  REASON(BackupExists, "BACKUP_EXISTS", kAlreadyExists,                        \
         "there is a backup of this name")                                     \
  REASON(AlreadyExists, "ALREADY_EXISTS", kAlreadyExists,                      \
         "something else is there already")                                    \
  REASON(BackupsOff, "BACKUPS_OFF", kFailedPrecondition,                       \
         "the server has no directory for backups")                            \
  REASON(FailedPrecondition, "FAILED_PRECONDITION", kFailedPrecondition,       \
         "the server is not in a state for it")                                \
  REASON(OutOfRange, "OUT_OF_RANGE", kOutOfRange, "past the end")              \
  REASON(Unsupported, "UNSUPPORTED", kUnimplemented,                           \
         "this server, or its storage engine, cannot do it")                   \
  REASON(PermissionDenied, "PERMISSION_DENIED", kPermissionDenied,             \
         "the caller has no right to it")                                      \
  REASON(Unauthenticated, "UNAUTHENTICATED", kUnauthenticated,                 \
         "the caller did not say who it is")                                   \
  /* What there was no room for. */                                            \
  REASON(DiskFull, "DISK_FULL", kResourceExhausted,                            \
         "the server's disk has no room: delete models or add some")           \
  REASON(QuotaExceeded, "QUOTA_EXCEEDED", kResourceExhausted,                  \
         "the models of this name prefix have used up their quota")            \
  REASON(TooManyCalls, "TOO_MANY_CALLS", kResourceExhausted,                   \
         "as many calls as the server allows run and wait: retry")             \
  REASON(MemoryBusy, "MEMORY_BUSY", kResourceExhausted,                        \
         "other calls hold the memory for lists of tensors: retry")            \
  REASON(TensorListTooLarge, "TENSOR_LIST_TOO_LARGE", kResourceExhausted,      \
         "the list of tensors never fits the server's memory for them")        \
  REASON(BackupRunning, "BACKUP_RUNNING", kResourceExhausted,                  \
         "another backup is being made: retry")                                \
  REASON(ResourceExhausted, "RESOURCE_EXHAUSTED", kResourceExhausted,          \
         "something else is used up")                                          \
  /* What came between. */                                                     \
  REASON(Cancelled, "CANCELLED", kCancelled,                                   \
         "the client cancelled or went away")                                  \
  REASON(SlowClient, "SLOW_CLIENT", kCancelled,                                \
         "the client sent or took nothing for too long")                       \
  REASON(DeadlineExceeded, "DEADLINE_EXCEEDED", kDeadlineExceeded,             \
         "it took too long")                                                   \
  REASON(Draining, "DRAINING", kUnavailable,                                   \
         "the server is shutting down: retry")                                 \
  REASON(Unavailable, "UNAVAILABLE", kUnavailable,                             \
         "the server cannot serve this now: retry")                            \
  REASON(UploadNotResumable, "UPLOAD_NOT_RESUMABLE", kAborted,                 \
         "nothing to go on with: upload from the first file")                  \
  REASON(Aborted, "ABORTED", kAborted, "something else came between: retry")   \
  REASON(DamagedInTransit, "DAMAGED_IN_TRANSIT", kDataLoss,                    \
         "what came is not whole, or not as its checksum says: send it again") \
  /* What is broken. */                                                        \
  REASON(Damaged, "DAMAGED", kDataLoss,                                        \
         "what is stored is not what was stored")                              \
  REASON(Internal, "INTERNAL", kInternal, "a fault of the server or its disk") \
  REASON(Unknown, "UNKNOWN", kUnknown, "a fault of which no more is known")    \
  /* Said by clients, before or after they ask a server. */                    \
  REASON(Unreachable, "UNREACHABLE", kUnavailable,                             \
         "no server could be reached, as against a connection that broke")     \
  REASON(ConnectionLost, "CONNECTION_LOST", kUnavailable,                      \
         "the connection or the server went away in the middle of a call")     \
  REASON(Contradiction, "CONTRADICTION", kInternal,                            \
         "the server's answers contradict each other or the request")          \
  REASON(BeingWritten, "BEING_WRITTEN", kAlreadyExists,                        \
         "another process is writing the same download to the same place")     \
  REASON(HeldDamaged, "HELD_DAMAGED", kAborted,                                \
         "some of what an interrupted download left is damaged: retry")        \
  REASON(NoInt8, "NO_INT8", kFailedPrecondition,                               \
         "nothing of the revision is quantized")                               \
  REASON(Int8NotExportable, "INT8_NOT_EXPORTABLE", kFailedPrecondition,        \
         "the format that is asked for cannot hold the revision's INT8")       \
  REASON(OtherPrecision, "OTHER_PRECISION", kFailedPrecondition,               \
         "the weights were uploaded in another type")                          \
  REASON(Accident, "LOOKS_LIKE_AN_ACCIDENT", kFailedPrecondition,              \
         "what is to be uploaded is plainly not what was meant")

// kReasonModelNotFound and so on.
#define QSTORE_DECLARE_REASON(constant, word, code, meaning) \
  inline constexpr char kReason##constant[] = word;
QSTORE_ERROR_REASONS(QSTORE_DECLARE_REASON)
#undef QSTORE_DECLARE_REASON

struct ErrorReason {
  const char* word;
  absl::StatusCode code;
  const char* meaning;
};

// The whole table, in its order.
std::span<const ErrorReason> ErrorReasons();

// What an error of this code without a word of its own is for programs; every
// code but OK has one.
std::string DefaultReason(absl::StatusCode code);

// `status`, with `reason` in place of the one it had; OK stays OK. A reason may
// be one that this build does not know: that of a newer server.
absl::Status WithReason(absl::Status status, const std::string& reason);

// The same, unless it has one already.
absl::Status WithDefaultReason(absl::Status status);

// Empty: none was given.
std::string ReasonOf(const absl::Status& status);

// What to act on: the reason or, where there is none or one that this table
// does not have, the default of the code. Empty for OK.
std::string EffectiveReasonOf(const absl::Status& status);

// The row of this word; null when the table has none.
const ErrorReason* FindErrorReason(std::string_view word);

// Where an absl::Status keeps its reason. It never leaves the process, and is
// no address: ask ReasonOf instead.
inline constexpr char kReasonPayloadUrl[] = "qstore/error-reason";

}  // namespace qstore
