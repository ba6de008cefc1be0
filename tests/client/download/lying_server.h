// A server whose download is spoilt before it is sent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "client/server_faults.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/download/download_fixture.h"

namespace qstore::client {

using Messages = std::vector<v1::DownloadResponse>;
using EditObject = std::function<void(v1::ObjectManifest*)>;

// In MakeModel: the first shard's header is object 1, then its tensors.
inline constexpr int kQuantizedObject = 2;
inline constexpr int kPlainObject = 3;

class LyingServerTest : public DownloadTest {
 protected:
  // Serves a spoilt stream: it must fail with `code` and a message that has
  // `text`, and leave nothing.
  void ExpectFailure(v1::Precision precision,
                     const std::function<void(Messages*)>& spoil,
                     absl::StatusCode code, const std::string& text) {
    ExpectFailureOf(MakeModel(), precision, spoil, code, text);
  }
  void ExpectFailureOf(const FakeModel& model, v1::Precision precision,
                       const std::function<void(Messages*)>& spoil,
                       absl::StatusCode code, const std::string& text) {
    server_.ServeAlways(model, precision);
    spoil(&server_.stream);
    const auto result =
        Fetch(precision == v1::PRECISION_INT8 ? "int8" : "original");
    EXPECT_EQ(result.status().code(), code) << result.status();
    // What may be stored so, but cannot be had, is no fault.
    EXPECT_EQ(IsServerFault(result.status()),
              code != absl::StatusCode::kFailedPrecondition)
        << result.status();
    EXPECT_THAT(std::string(result.status().message()),
                ::testing::HasSubstr(text));
    EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
  }

  // The same of a manifest that is sent with a checksum that fits.
  void ExpectRefusal(v1::Precision precision,
                     const std::function<void(v1::ManifestPage*)>& edit,
                     const std::string& text,
                     absl::StatusCode code = absl::StatusCode::kInternal) {
    ExpectFailure(
        precision, [&](Messages* stream) { EditPage(edit, &stream->front()); },
        code, text);
  }
  void ExpectRefusedObject(int object_index, const EditObject& edit,
                           const std::string& text) {
    ExpectRefusal(
        v1::PRECISION_ORIGINAL,
        [&](v1::ManifestPage* page) {
          edit(page->mutable_objects(object_index));
        },
        text);
  }

  static void EditPage(const std::function<void(v1::ManifestPage*)>& edit,
                       v1::DownloadResponse* message) {
    v1::ManifestPage page;
    ASSERT_TRUE(page.ParseFromString(message->manifest_page().serialized()));
    edit(&page);
    SetChecked(page, message->mutable_manifest_page());
  }

  // Position of the nth value.
  static size_t ValueIndex(const Messages& stream, size_t nth) {
    for (size_t i = 0; i < stream.size(); ++i) {
      if (stream[i].has_value() && nth-- == 0) return i;
    }
    ADD_FAILURE() << "no such value";
    return 0;
  }
  // The first value of an object.
  static v1::Value* ValueOf(uint64_t object_index, Messages* stream) {
    for (v1::DownloadResponse& message : *stream) {
      if (message.has_value() &&
          message.value().object_index() == object_index) {
        return message.mutable_value();
      }
    }
    ADD_FAILURE() << "no such value";
    return nullptr;
  }
};

}  // namespace qstore::client
