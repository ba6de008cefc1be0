/* The C interface of QStore: reads models from a qstored, and decodes stored
 * chunks. C99; usable from C++ and from every language that calls C.
 *
 *   qstore_session* session = NULL;
 *   if (qstore_session_open("127.0.0.1:7350", NULL, &session, NULL) ==
 * QSTORE_OK) qstore_download(session, "org/model", "./model", NULL, NULL);
 *   qstore_session_close(session);
 *
 * Errors. Functions that can fail return a qstore_code and, where `error` is
 * not NULL and they do fail, put a description into *error, which is to be
 * freed with qstore_error_free. On success *error is NULL. Output parameters
 * are set on success alone, unless they say otherwise. No C++ exception leaves;
 * nothing is printed; no environment variable is read.
 *
 * NULL. Where a function says nothing else, a NULL that makes no sense is
 * QSTORE_INVALID_ARGUMENT; accessors give NULL or 0 for NULL and for an index
 * that there is none of; functions that free take NULL.
 *
 * Strings are UTF-8 and end in a zero byte. Those that are given are copied.
 * Those that are returned live as long as the object that they were asked of.
 *
 * Threads. A session may be used by several threads at once; so may what is
 * only read (a qstore_revision, qstore_models, qstore_error) and a
 * qstore_cancellation. A decoder is for one thread at a time. An object is
 * freed when no function that was given it is running any more.
 *
 * Versions. Within one QSTORE_ABI_VERSION functions, constants and members of
 * structs are added, at the end, and nothing is changed; codes and other
 * numbers never change at all. A program may run with a library that is newer
 * than the one that it was built with; one that needs what an older one lacks
 * does not start. */
#ifndef QSTORE_C_QSTORE_H
#define QSTORE_C_QSTORE_H

/* NOLINTBEGIN(modernize-deprecated-headers,readability-identifier-naming) */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define QSTORE_API __attribute__((visibility("default")))
#else
#define QSTORE_API
#endif

#define QSTORE_ABI_VERSION 0

/* QSTORE_ABI_VERSION of the library that runs; any other than that of the
 * header means that nothing else may be called. */
QSTORE_API uint32_t qstore_abi_version(void);
/* Of the release: "0.1.0". */
QSTORE_API const char* qstore_version(void);

/* ---- Errors ---- */

/* gRPC's numbers. */
typedef int32_t qstore_code;
enum {
  QSTORE_OK = 0,
  QSTORE_CANCELLED = 1, /* a qstore_cancellation was cancelled */
  QSTORE_UNKNOWN = 2,
  QSTORE_INVALID_ARGUMENT = 3, /* bad name, NULL, size or option */
  QSTORE_DEADLINE_EXCEEDED = 4,
  QSTORE_NOT_FOUND = 5, /* no such model, tag, revision or file */
  QSTORE_ALREADY_EXISTS = 6,
  QSTORE_PERMISSION_DENIED = 7,
  QSTORE_RESOURCE_EXHAUSTED = 8,  /* memory or disk, or the server is busy */
  QSTORE_FAILED_PRECONDITION = 9, /* does not fit what is stored or there */
  QSTORE_ABORTED = 10,
  QSTORE_OUT_OF_RANGE = 11, /* the caller's memory is too small */
  QSTORE_UNIMPLEMENTED = 12,
  QSTORE_INTERNAL = 13,
  QSTORE_UNAVAILABLE = 14, /* the server cannot be reached, or went away */
  QSTORE_DATA_LOSS = 15,   /* bytes are damaged */
  QSTORE_UNAUTHENTICATED = 16
};

typedef struct qstore_error qstore_error;

QSTORE_API qstore_code qstore_error_code(const qstore_error* error);
/* One sentence, which names the model, file, tensor or chunk. */
QSTORE_API const char* qstore_error_message(const qstore_error* error);
/* A word for programs, such as "NO_INT8" (base/error_reason.h lists them); the
 * code's own where nothing more is known. */
QSTORE_API const char* qstore_error_reason(const qstore_error* error);
QSTORE_API void qstore_error_free(qstore_error* error);

/* ---- Cancelling, progress ---- */

/* Ends the calls that were given it, soon, with QSTORE_CANCELLED; also those
 * that are made afterwards. */
typedef struct qstore_cancellation qstore_cancellation;

/* NULL: there is no memory. */
QSTORE_API qstore_cancellation* qstore_cancellation_new(void);
/* From any thread, but not from a signal handler. */
QSTORE_API void qstore_cancel(qstore_cancellation* cancellation);
QSTORE_API void qstore_cancellation_free(qstore_cancellation* cancellation);

/* Called while a call runs, by any thread but never by two at once; holds the
 * work up until it returns, and may call qstore_cancel but nothing else of the
 * library. `total_bytes` is 0 while it is not known. Counts stored bytes;
 * begins at 0 again when a connection broke and the call goes on. */
typedef void (*qstore_progress)(void* context, uint64_t done_bytes,
                                uint64_t total_bytes);
/* The same for what a person should know although nothing failed. */
typedef void (*qstore_note)(void* context, const char* sentence);

/* ---- Sessions ---- */

/* A connection to one server, which is made anew where it breaks. */
typedef struct qstore_session qstore_session;

/* Of a session. Set struct_size to sizeof(qstore_session_options) and what is
 * not wanted otherwise to 0. */
typedef struct {
  size_t struct_size;
  double connect_timeout_seconds; /* 0: 10 */
  /* How long to go on trying, without getting further, while the server is
   * away or busy. 0: 60; negative: not at all. */
  double retry_seconds;
  qstore_cancellation* cancellation; /* of qstore_session_open; or NULL */
} qstore_session_options;

/* Waits until the server accepts connections. `server`: HOST:PORT. `options`
 * may be NULL. */
QSTORE_API qstore_code
qstore_session_open(const char* server, const qstore_session_options* options,
                    qstore_session** session, qstore_error** error);
QSTORE_API void qstore_session_close(qstore_session* session);

/* ---- What the server has ---- */

typedef struct qstore_models qstore_models;

/* Models whose names start with `prefix`; NULL or "": all. */
QSTORE_API qstore_code qstore_list_models(qstore_session* session,
                                          const char* prefix,
                                          qstore_models** models,
                                          qstore_error** error);
QSTORE_API size_t qstore_models_count(const qstore_models* models);
QSTORE_API const char* qstore_models_name(const qstore_models* models,
                                          size_t model);
QSTORE_API size_t qstore_models_revision_count(const qstore_models* models,
                                               size_t model);
/* 64 hex digits; 0 is the newest. */
QSTORE_API const char* qstore_models_revision(const qstore_models* models,
                                              size_t model, size_t revision);
QSTORE_API void qstore_models_free(qstore_models* models);

/* Types of tensors, as safetensors has them. */
typedef int32_t qstore_dtype;
enum {
  QSTORE_BOOL = 1,
  QSTORE_U8 = 2,
  QSTORE_I8 = 3,
  QSTORE_F8_E4M3 = 4,
  QSTORE_F8_E5M2 = 5,
  QSTORE_I16 = 6,
  QSTORE_U16 = 7,
  QSTORE_F16 = 8,
  QSTORE_BF16 = 9,
  QSTORE_I32 = 10,
  QSTORE_U32 = 11,
  QSTORE_F32 = 12,
  QSTORE_F64 = 13,
  QSTORE_I64 = 14,
  QSTORE_U64 = 15,
  QSTORE_F8_E8M0 = 16,
  QSTORE_F4 = 17,
  QSTORE_F6_E2M3 = 18,
  QSTORE_F6_E3M2 = 19,
  QSTORE_F8_E4M3FNUZ = 20,
  QSTORE_F8_E5M2FNUZ = 21,
  QSTORE_C64 = 22
};

/* What a revision holds, as it was uploaded. */
typedef struct qstore_revision qstore_revision;

/* `reference`: NAME, NAME:TAG or NAME@REVISION. Reads no weights. */
QSTORE_API qstore_code qstore_inspect(qstore_session* session,
                                      const char* reference,
                                      qstore_revision** revision,
                                      qstore_error** error);
QSTORE_API const char* qstore_revision_model(const qstore_revision* revision);
/* 64 hex digits. */
QSTORE_API const char* qstore_revision_id(const qstore_revision* revision);
QSTORE_API size_t qstore_revision_file_count(const qstore_revision* revision);
QSTORE_API const char* qstore_file_path(const qstore_revision* revision,
                                        size_t file);
QSTORE_API uint64_t qstore_file_size(const qstore_revision* revision,
                                     size_t file);
/* Of a safetensors file; 0 of any other. */
QSTORE_API size_t qstore_file_tensor_count(const qstore_revision* revision,
                                           size_t file);
QSTORE_API const char* qstore_tensor_name(const qstore_revision* revision,
                                          size_t file, size_t tensor);
QSTORE_API qstore_dtype qstore_tensor_dtype(const qstore_revision* revision,
                                            size_t file, size_t tensor);
QSTORE_API size_t qstore_tensor_rank(const qstore_revision* revision,
                                     size_t file, size_t tensor);
/* qstore_tensor_rank numbers. */
QSTORE_API const uint64_t* qstore_tensor_shape(const qstore_revision* revision,
                                               size_t file, size_t tensor);
QSTORE_API uint64_t qstore_tensor_size(const qstore_revision* revision,
                                       size_t file, size_t tensor);
/* 1: it can be had in INT8. */
QSTORE_API int qstore_tensor_quantized(const qstore_revision* revision,
                                       size_t file, size_t tensor);
QSTORE_API void qstore_revision_free(qstore_revision* revision);

/* ---- Whole reads ---- */

/* Of a read. Set struct_size to sizeof(qstore_read_options) and what is not
 * wanted otherwise to 0 or NULL. */
typedef struct {
  size_t struct_size;
  const char* precision; /* "original", "int8", "fp16", …; NULL: "original" */
  const char* format;    /* of INT8; NULL: "compressed-tensors" */
  int allow_original;    /* 1: where there is no INT8, give the original */
  uint32_t threads;      /* that decode; 0: as many as there are cores */
  /* Bounds chunks that were received and are not yet written; each thread has a
   * decoder, at most 64 MiB, on top. 0: 512 MiB. */
  uint64_t memory_bytes;
  qstore_cancellation* cancellation;
  qstore_progress progress;
  qstore_note note;
  void* context; /* for both */
} qstore_read_options;

/* Writes the files of a revision into a directory: either all files are in it,
 * checked and synced, or it is as it was. Goes on where a download of the same
 * to the same place was interrupted. `options` may be NULL. */
QSTORE_API qstore_code qstore_download(qstore_session* session,
                                       const char* reference,
                                       const char* directory,
                                       const qstore_read_options* options,
                                       qstore_error** error);

/* Gives memory for a file of a read: `size_bytes` of it, any alignment, that
 * nobody else touches until the read has ended. NULL ends the read with
 * QSTORE_RESOURCE_EXHAUSTED. Called by one thread at a time, not for empty
 * files, and for a file again when the read begins anew; it may then give the
 * same memory. Must not call the library. */
typedef void* (*qstore_allocate)(void* context, const char* path,
                                 uint64_t size_bytes);

/* Reads all files of a revision into the caller's memory, every checksum
 * verified. After an error the memory holds anything. */
QSTORE_API qstore_code qstore_read(qstore_session* session,
                                   const char* reference,
                                   qstore_allocate allocate,
                                   void* allocate_context,
                                   const qstore_read_options* options,
                                   qstore_error** error);

/* Reads one file. *size_bytes becomes its size, also when `capacity_bytes` is
 * less, which is QSTORE_OUT_OF_RANGE. `memory` may be NULL when
 * `capacity_bytes` is 0. */
QSTORE_API qstore_code qstore_read_file(qstore_session* session,
                                        const char* reference, const char* path,
                                        void* memory, uint64_t capacity_bytes,
                                        uint64_t* size_bytes,
                                        const qstore_read_options* options,
                                        qstore_error** error);

/* ---- Decoding ----
 *
 * Stored chunks by themselves, as docs/format.md has them. Blobs may hold
 * anything: what breaks a rule of the format is QSTORE_DATA_LOSS with a message
 * that says which. Nothing compares checksums here. After an error the output
 * holds anything. */

/* Keeps working memory, at most 64 MiB. */
typedef struct qstore_decoder qstore_decoder;

QSTORE_API qstore_code qstore_decoder_new(qstore_decoder** decoder,
                                          qstore_error** error);
QSTORE_API void qstore_decoder_free(qstore_decoder* decoder);

/* Which weights share a scale. */
enum {
  QSTORE_SCALE_TENSOR = 1,
  QSTORE_SCALE_CHANNEL = 2, /* a row */
  QSTORE_SCALE_GROUP = 3    /* group_size columns of a row */
};

/* Some whole rows of a quantized matrix, at most 4 Mi weights. */
typedef struct {
  qstore_dtype dtype; /* QSTORE_F32, QSTORE_F16 or QSTORE_BF16 */
  int32_t scale_strategy;
  uint32_t rows;
  uint32_t columns;
  uint32_t group_size; /* with QSTORE_SCALE_GROUP, else 0 */
} qstore_chunk_shape;

typedef struct {
  const void* bytes;
  uint64_t size_bytes;
  uint32_t subgroup; /* of a residual blob, else 0 */
} qstore_blob;

/* Weights of a chunk, and its scales; 0 where the shape is none. */
QSTORE_API uint64_t qstore_chunk_weight_count(const qstore_chunk_shape* shape);
QSTORE_API uint64_t qstore_chunk_scale_count(const qstore_chunk_shape* shape);

/* INT8: `codes` has room for qstore_chunk_weight_count codes, row by row,
 * `scales` for qstore_chunk_scale_count scales; a weight is about code times
 * scale. */
QSTORE_API qstore_code qstore_decode_int8(qstore_decoder* decoder,
                                          const qstore_chunk_shape* shape,
                                          const qstore_blob* int8_blob,
                                          int8_t* codes, uint64_t code_count,
                                          float* scales, uint64_t scale_count,
                                          qstore_error** error);

/* The original weights, little-endian, from INT8 and the residual blobs, which
 * ascend by subgroup. */
QSTORE_API qstore_code
qstore_decode_weights(qstore_decoder* decoder, const qstore_chunk_shape* shape,
                      const qstore_blob* int8_blob, const qstore_blob* residual,
                      size_t residual_count, void* weights,
                      uint64_t weights_bytes, qstore_error** error);

/* What is not quantized. `size_bytes`: exactly what it decodes to. */
QSTORE_API qstore_code qstore_decode_plain(qstore_decoder* decoder,
                                           const qstore_blob* blob, void* bytes,
                                           uint64_t size_bytes,
                                           qstore_error** error);

#ifdef __cplusplus
} /* extern "C" */
#endif

/* NOLINTEND(modernize-deprecated-headers,readability-identifier-naming) */
#endif /* QSTORE_C_QSTORE_H */
