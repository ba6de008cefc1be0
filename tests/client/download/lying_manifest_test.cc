// Manifests that are damaged or cannot be true, sent where they must be: each
// must end the download with an error that says what is wrong, and leave
// nothing behind.
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "model/object.h"
#include "tests/client/download/lying_server.h"

namespace qstore::client {
namespace {

using LyingManifestTest = LyingServerTest;

TEST_F(LyingManifestTest, NoticesWrongChecksumsOfValues) {
  ExpectRefusal(
      v1::PRECISION_INT8,
      [](v1::ManifestPage* page) {
        page->mutable_objects(kQuantizedObject)
            ->mutable_chunks(2)
            ->mutable_layers(0)
            ->mutable_blobs(0)
            ->set_value_xxh3(0, 1);
      },
      "chunk 2: the stored bytes of layer 1 subgroup 0 value 0",
      absl::StatusCode::kDataLoss);
}

TEST_F(LyingManifestTest, NoticesDecodedBytesThatAreNotTheOriginal) {
  ExpectRefusal(
      v1::PRECISION_ORIGINAL,
      [](v1::ManifestPage* page) {
        page->mutable_objects(kQuantizedObject)
            ->mutable_chunks(1)
            ->set_raw_xxh3(1);
      },
      "chunk 1: residual: it decodes to", absl::StatusCode::kDataLoss);
  ExpectRefusal(
      v1::PRECISION_ORIGINAL,
      [](v1::ManifestPage* page) {
        page->mutable_objects(kPlainObject)->mutable_chunks(0)->set_raw_xxh3(1);
      },
      "chunk 0: plain: it decodes to", absl::StatusCode::kDataLoss);
}

TEST_F(LyingManifestTest, NoticesWrongCodesAndScales) {
  for (const v1::Precision precision :
       {v1::PRECISION_ORIGINAL, v1::PRECISION_INT8}) {
    // Codes, then scales.
    for (const int which : {0, 1}) {
      ExpectRefusal(
          precision,
          [which](v1::ManifestPage* page) {
            page->mutable_objects(kQuantizedObject)
                ->mutable_chunks(0)
                ->mutable_layers(0)
                ->set_decoded_xxh3(which, 1);
          },
          "chunk 0: int8: it decodes to", absl::StatusCode::kDataLoss);
    }
    ExpectRefusal(
        precision,
        [](v1::ManifestPage* page) {
          page->mutable_objects(kQuantizedObject)
              ->mutable_chunks(0)
              ->mutable_layers(0)
              ->mutable_decoded_xxh3()
              ->RemoveLast();
        },
        "chunk 0: int8: there are 1 checksums", absl::StatusCode::kDataLoss);
  }
}

TEST_F(LyingManifestTest, NoticesADamagedPage) {
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](Messages* stream) {
        stream->front().mutable_manifest_page()->mutable_serialized()->back() ^=
            1;
      },
      absl::StatusCode::kDataLoss, "page of the manifest");
  ExpectFailureOf(
      ModelOfManyPages(), v1::PRECISION_ORIGINAL,
      [](Messages* stream) {
        (*stream)[1].mutable_manifest_page()->set_xxh3(0);
      },
      absl::StatusCode::kDataLoss, "page of the manifest");
}

TEST_F(LyingManifestTest, RefusesPagesWhereTheyDoNotBelong) {
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](Messages* stream) { stream->erase(stream->begin()); },
      absl::StatusCode::kInternal, "did not begin");
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](Messages* stream) {
        const v1::DownloadResponse page = stream->front();
        stream->insert(stream->begin() + 1, page);
      },
      absl::StatusCode::kInternal, "page of the manifest after the last");
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](Messages* stream) { stream->insert(stream->begin(), stream->back()); },
      absl::StatusCode::kInternal, "did not begin");
  ExpectRefusal(
      v1::PRECISION_ORIGINAL,
      [](v1::ManifestPage* page) { page->clear_head(); }, "has a head");
  ExpectRefusal(
      v1::PRECISION_ORIGINAL,
      [](v1::ManifestPage* page) { page->set_last(false); }, "did not begin");
}

TEST_F(LyingManifestTest, RefusesPagesInAnyOtherOrder) {
  const FakeModel model = ModelOfManyPages();
  ASSERT_GT(model.Pages().size(), 1u);
  const auto expect_refused = [&](const std::function<void(Messages*)>& spoil,
                                  const std::string& text) {
    ExpectFailureOf(model, v1::PRECISION_ORIGINAL, spoil,
                    absl::StatusCode::kInternal, text);
  };
  expect_refused(
      [](Messages* stream) { std::swap((*stream)[0], (*stream)[1]); },
      "has a head");
  expect_refused([](Messages* stream) { (*stream)[1] = (*stream)[0]; },
                 "page 1 of the manifest: the first page, and no other");
  expect_refused([](Messages* stream) { stream->erase(stream->begin() + 1); },
                 "did not begin");
  expect_refused(
      [](Messages* stream) {
        EditPage(
            [](v1::ManifestPage* page) {
              page->mutable_objects()->Clear();
              page->set_last(true);
            },
            &(*stream)[1]);
      },
      "announces 2 files and 2 objects");
  // There would be no end of these.
  expect_refused(
      [](Messages* stream) {
        v1::DownloadResponse nothing;
        SetChecked(v1::ManifestPage(), nothing.mutable_manifest_page());
        stream->insert(stream->begin() + 1, nothing);
      },
      "it adds nothing");
}

TEST_F(LyingManifestTest, RefusesPathsThatLeadOutside) {
  for (const char* path :
       {"../evil", "/etc/evil", "a/../../evil", "", "a//b", "."}) {
    ExpectRefusal(
        v1::PRECISION_ORIGINAL,
        [path](v1::ManifestPage* page) {
          page->mutable_files(0)->set_path(path);
        },
        "the server contradicts itself: file ");
  }
}

TEST_F(LyingManifestTest, RefusesPathsOfItsOwnFiles) {
  for (const char* path : {".qstore-journal", ".x.qstore-partial-1/a"}) {
    ExpectRefusal(
        v1::PRECISION_ORIGINAL,
        [path](v1::ManifestPage* page) {
          page->mutable_files(0)->set_path(path);
        },
        "qstore-client keeps", absl::StatusCode::kFailedPrecondition);
  }
}

TEST_F(LyingManifestTest, RefusesPathsThatMeet) {
  ExpectRefusal(
      v1::PRECISION_ORIGINAL,
      [](v1::ManifestPage* page) {
        page->mutable_files(0)->set_path("notes.txt");
      },
      "twice");
  ExpectRefusal(
      v1::PRECISION_ORIGINAL,
      [](v1::ManifestPage* page) { page->mutable_files(0)->set_path("sub"); },
      "both a file and a directory");
}

TEST_F(LyingManifestTest, RefusesOtherRevisions) {
  ExpectRefusal(
      v1::PRECISION_ORIGINAL,
      [](v1::ManifestPage* page) {
        page->mutable_head()->set_revision(std::string(64, 'b'));
      },
      "instead of");
  ExpectRefusal(
      v1::PRECISION_ORIGINAL,
      [](v1::ManifestPage* page) { page->mutable_head()->set_model("org/x"); },
      "instead of");
}

TEST_F(LyingManifestTest, RefusesFilesThatDoNotAddUp) {
  const std::vector<std::function<void(v1::ManifestPage*)>> edits = {
      [](v1::ManifestPage* p) {
        p->mutable_head()->set_object_count(1'000'000'000'000);
      },
      [](v1::ManifestPage* p) { p->mutable_head()->set_object_count(1); },
      [](v1::ManifestPage* p) {
        p->mutable_head()->set_file_count(UINT64_MAX);
      },
      [](v1::ManifestPage* p) { p->mutable_head()->set_original_bytes(1); },
      [](v1::ManifestPage* p) {
        p->mutable_head()->mutable_stored()->mutable_layers(0)->set_layer(256);
      },
      [](v1::ManifestPage* p) {
        p->mutable_files(0)->set_size_bytes(UINT64_MAX);
      },
      [](v1::ManifestPage* p) { p->mutable_files(0)->set_size_bytes(1); },
      [](v1::ManifestPage* p) {
        p->mutable_files(0)->mutable_segments(0)->set_object_index(UINT64_MAX);
      },
      [](v1::ManifestPage* p) {
        p->mutable_files(2)->mutable_segments(1)->set_object_index(0);
      },
      [](v1::ManifestPage* p) {
        *p->mutable_files(0)->add_segments() = p->files(0).segments(0);
      },
      [](v1::ManifestPage* p) { p->mutable_files(0)->set_continued(true); },
      // Its segments become those of the file before, which they do not fit.
      [](v1::ManifestPage* p) { p->mutable_files(2)->set_continued(true); },
      [](v1::ManifestPage* p) { p->mutable_files()->RemoveLast(); },
      [](v1::ManifestPage* p) { p->mutable_objects()->RemoveLast(); },
      [](v1::ManifestPage* p) {
        p->mutable_files(2)->mutable_segments(1)->set_tensor_name("");
      },
      [](v1::ManifestPage* p) {
        p->mutable_files(2)->mutable_segments(1)->set_tensor_name("\xff");
      },
      [](v1::ManifestPage* p) {
        p->mutable_files(2)->mutable_segments(1)->set_tensor_name("a.bias");
      }};
  for (size_t i = 0; i < edits.size(); ++i) {
    SCOPED_TRACE(i);
    ExpectRefusal(v1::PRECISION_ORIGINAL, edits[i],
                  "the server contradicts itself");
  }
}

TEST_F(LyingManifestTest, RefusesObjectsThatDoNotAddUp) {
  const auto layer = [](v1::ObjectManifest* o, int index) {
    return o->mutable_chunks(0)->mutable_layers(index);
  };
  const std::vector<EditObject> edits = {
      [](v1::ObjectManifest* o) { o->set_raw_bytes(1); },
      [](v1::ObjectManifest* o) { o->set_shape(0, UINT64_MAX); },
      [](v1::ObjectManifest* o) { o->set_shape(1, 0); },
      [](v1::ObjectManifest* o) { o->add_shape(1); },
      [](v1::ObjectManifest* o) { o->set_dtype(v1::DTYPE_F32); },
      [](v1::ObjectManifest* o) { o->set_dtype(v1::DTYPE_I8); },
      [](v1::ObjectManifest* o) { o->clear_dtype(); },
      [](v1::ObjectManifest* o) {
        o->mutable_quantization()->set_strategy(v1::ScaleStrategy(9));
      },
      [](v1::ObjectManifest* o) {
        o->mutable_quantization()->set_group_size(4);
      },
      [](v1::ObjectManifest* o) { o->clear_quantization(); },
      [](v1::ObjectManifest* o) { o->clear_content_hash(); },
      [](v1::ObjectManifest* o) { o->mutable_chunks()->RemoveLast(); },
      [](v1::ObjectManifest* o) { o->mutable_chunks(0)->set_rows(UINT32_MAX); },
      [](v1::ObjectManifest* o) { o->mutable_chunks(0)->set_rows(0); },
      [](v1::ObjectManifest* o) {
        o->mutable_chunks(0)->set_raw_bytes(uint64_t{1} << 60);
      },
      [](v1::ObjectManifest* o) { o->mutable_chunks(0)->set_raw_bytes(0); },
      [](v1::ObjectManifest* o) { o->mutable_chunks(0)->clear_layers(); },
      [](v1::ObjectManifest* o) {
        o->mutable_chunks(0)->mutable_layers()->RemoveLast();
      },
      [](v1::ObjectManifest* o) {
        *o->mutable_chunks(0)->add_layers() = o->chunks(0).layers(1);
      },
      [layer](v1::ObjectManifest* o) { layer(o, 0)->set_layer(3); },
      [layer](v1::ObjectManifest* o) { layer(o, 0)->set_layer(2); },
      [layer](v1::ObjectManifest* o) { layer(o, 1)->set_layer(9); },
      [layer](v1::ObjectManifest* o) { layer(o, 1)->set_layer(258); },
      [layer](v1::ObjectManifest* o) { layer(o, 0)->clear_blobs(); },
      // Codes that nobody could check.
      [layer](v1::ObjectManifest* o) { layer(o, 0)->clear_decoded_xxh3(); },
      [layer](v1::ObjectManifest* o) { layer(o, 1)->add_decoded_xxh3(1); },
      [layer](v1::ObjectManifest* o) {
        layer(o, 0)->mutable_blobs(0)->set_size_bytes(uint64_t{1} << 60);
      },
      [layer](v1::ObjectManifest* o) {
        layer(o, 0)->mutable_blobs(0)->set_size_bytes(0);
      },
      [layer](v1::ObjectManifest* o) {
        layer(o, 0)->mutable_blobs(0)->add_value_xxh3(1);
      },
      [layer](v1::ObjectManifest* o) {
        layer(o, 0)->mutable_blobs(0)->clear_value_xxh3();
      },
      [layer](v1::ObjectManifest* o) {
        layer(o, 0)->mutable_blobs(0)->set_subgroup(1);
      },
      [layer](v1::ObjectManifest* o) {
        layer(o, 1)->mutable_blobs(0)->set_subgroup(256);
      },
      [layer](v1::ObjectManifest* o) {
        *layer(o, 1)->add_blobs() = layer(o, 1)->blobs(0);
      },
      [layer](v1::ObjectManifest* o) {
        for (int i = 0; i < 300; ++i) {
          v1::BlobManifest* blob = layer(o, 1)->add_blobs();
          blob->set_subgroup(static_cast<uint32_t>(255));
          blob->set_size_bytes(1);
          blob->add_value_xxh3(1);
        }
      },
      // More than the chunk may take, in blobs that may be.
      [layer](v1::ObjectManifest* o) {
        layer(o, 1)->clear_blobs();
        for (uint32_t i = 0; i < 3; ++i) {
          v1::BlobManifest* blob = layer(o, 1)->add_blobs();
          blob->set_subgroup(i);
          blob->set_size_bytes(model::kMaxBlobBytes);
          for (uint32_t j = 0; j < model::ValueCount(model::kMaxBlobBytes);
               ++j) {
            blob->add_value_xxh3(1);
          }
        }
      }};
  for (size_t i = 0; i < edits.size(); ++i) {
    SCOPED_TRACE(i);
    ExpectRefusedObject(kQuantizedObject, edits[i],
                        "the server contradicts itself");
  }
  ExpectRefusedObject(
      kPlainObject,
      [](v1::ObjectManifest* o) {
        o->mutable_chunks(0)->mutable_layers(0)->set_layer(99);
      },
      "layer 99 is unknown: it is of a later version");
  ExpectRefusedObject(
      kPlainObject, [](v1::ObjectManifest* o) { o->set_dtype(v1::Dtype(99)); },
      "dtype 99 is unknown");
}

TEST_F(LyingManifestTest, RefusesInt8WhoseHeaderSaysOtherwise) {
  const std::vector<std::function<void(v1::ManifestPage*)>> edits = {
      [](v1::ManifestPage* p) {
        p->mutable_files(2)->mutable_segments(1)->set_tensor_name("b.weight");
      },
      [](v1::ManifestPage* p) {
        p->mutable_objects(kPlainObject)->set_shape(0, 1);
        p->mutable_objects(kPlainObject)->add_shape(7);
      },
      [](v1::ManifestPage* p) {
        p->mutable_objects(kPlainObject)->set_dtype(v1::DTYPE_F16);
      },
      [](v1::ManifestPage* p) {
        p->mutable_objects(kQuantizedObject)->set_dtype(v1::DTYPE_F16);
      },
      [](v1::ManifestPage* p) {
        p->mutable_objects(kQuantizedObject)->set_shape(0, 5);
        p->mutable_objects(kQuantizedObject)->set_shape(1, 7);
      },
      [](v1::ManifestPage* p) {
        p->mutable_objects(kQuantizedObject)->clear_quantization();
      },
      // A tensor that the header does not have, and one that is left out.
      [](v1::ManifestPage* p) {
        v1::SegmentManifest* more = p->mutable_files(2)->add_segments();
        more->set_object_index(kPlainObject);
        more->set_tensor_name("more");
        p->mutable_files(2)->set_size_bytes(p->files(2).size_bytes() + 14);
        p->mutable_head()->set_original_bytes(p->head().original_bytes() + 14);
      },
      [](v1::ManifestPage* p) {
        p->mutable_files(3)->mutable_segments()->DeleteSubrange(2, 1);
        p->mutable_files(3)->set_size_bytes(p->files(3).size_bytes() - 64);
        p->mutable_head()->set_original_bytes(p->head().original_bytes() - 64);
      },
      // A second header, and none.
      [](v1::ManifestPage* p) {
        p->mutable_files(2)->add_segments()->set_object_index(1);
        const uint64_t more_bytes = p->objects(1).raw_bytes();
        p->mutable_files(2)->set_size_bytes(p->files(2).size_bytes() +
                                            more_bytes);
        p->mutable_head()->set_original_bytes(p->head().original_bytes() +
                                              more_bytes);
      },
      [](v1::ManifestPage* p) {
        v1::FileManifest* more = p->add_files();
        more->set_path("z.safetensors");
        more->set_safetensors(true);
        more->set_size_bytes(70);
        v1::SegmentManifest* segment = more->add_segments();
        segment->set_object_index(kQuantizedObject);
        segment->set_tensor_name("z.weight");
        p->mutable_head()->set_original_bytes(p->head().original_bytes() + 70);
        p->mutable_head()->set_file_count(p->head().file_count() + 1);
      }};
  for (size_t i = 0; i < edits.size(); ++i) {
    SCOPED_TRACE(i);
    ExpectRefusal(v1::PRECISION_INT8, edits[i],
                  "the server contradicts itself");
  }
  // What is said to have no INT8 is not asked for.
  ExpectRefusal(
      v1::PRECISION_INT8,
      [](v1::ManifestPage* page) {
        page->mutable_head()->set_file_count(1);
        page->mutable_head()->set_object_count(1);
        page->mutable_head()->set_original_bytes(page->files(0).size_bytes());
        page->mutable_files()->DeleteSubrange(1, page->files_size() - 1);
        page->mutable_objects()->DeleteSubrange(1, page->objects_size() - 1);
      },
      "has no INT8", absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace qstore::client
