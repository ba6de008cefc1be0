// Errors with the details that qstored sends, made by hand: the client does
// not link google.rpc's messages.
#pragma once

#include <initializer_list>
#include <string>

#include "grpcpp/support/status.h"
#include "gtest/gtest.h"

namespace qstore::client {

// A field that holds bytes, in protobuf's encoding.
inline std::string BytesField(int number, const std::string& bytes) {
  EXPECT_LT(bytes.size(), 128u);
  return std::string({static_cast<char>(number << 3 | 2),
                      static_cast<char>(bytes.size())}) +
         bytes;
}

// google.protobuf.Any of a message of google.rpc.
inline std::string Detail(const std::string& type, const std::string& message) {
  return BytesField(1, "type.googleapis.com/google.rpc." + type) +
         BytesField(2, message);
}

inline std::string ErrorInfo(const std::string& reason) {
  return Detail("ErrorInfo", BytesField(1, reason) + BytesField(2, "qstore"));
}

// With a google.protobuf.Duration of so many seconds.
inline std::string RetryInfo(char seconds) {
  return Detail("RetryInfo", BytesField(1, std::string({'\x08', seconds})));
}

// `details`: of google.rpc.Status.
inline grpc::Status DetailedStatus(grpc::StatusCode code,
                                   const std::string& sentence,
                                   std::initializer_list<std::string> details) {
  std::string message;
  for (const std::string& detail : details) message += BytesField(3, detail);
  return {code, sentence, message};
}

// What the server answers with: a code, a sentence and a reason.
inline grpc::Status ErrorWith(grpc::StatusCode code,
                              const std::string& sentence,
                              const std::string& reason) {
  return DetailedStatus(code, sentence, {ErrorInfo(reason)});
}

}  // namespace qstore::client
