#include "wire/read_request.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "wire/layer_bytes.h"

namespace qstore::wire {
namespace {

using ::testing::HasSubstr;

TEST(ReadRequestTest, SelectionsRoundTrip) {
  const model::Selection selection = {
      .files = {"*.json"},
      .tensors = {{"a.*", {}}, {"b", model::RowRange{0, 5}}}};
  v1::DownloadRequest request;
  request.set_precision(v1::PRECISION_ORIGINAL);
  ToWire(selection, request.mutable_selection());
  const absl::StatusOr<ReadRequest> read = FromWire(request);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->selection, selection);
  EXPECT_TRUE(read->representation.original());
  request.Clear();
  request.set_precision(v1::PRECISION_INT8);
  EXPECT_TRUE(FromWire(request)->selection.all());
  EXPECT_EQ(FromWire(request)->representation.layer, 1);
}

TEST(ReadRequestTest, HeldChunks) {
  v1::DownloadRequest request;
  request.set_precision(v1::PRECISION_ORIGINAL);
  v1::Held* held = request.mutable_held();
  held->set_revision("abc");
  v1::ObjectRange* range = held->add_objects();
  range->set_first(2);
  range->set_end(4);
  v1::HeldChunks* chunks = held->add_chunks();
  chunks->set_object_index(7);
  chunks->add_chunk_indices(1);
  const absl::StatusOr<ReadRequest> read = FromWire(request);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->held_revision, "abc");
  EXPECT_TRUE(read->held.Has(3, 9));
  EXPECT_FALSE(read->held.Has(4, 0));
  EXPECT_TRUE(read->held.Has(7, 1));
  EXPECT_FALSE(read->held.Has(7, 2));
}

TEST(ReadRequestTest, RefusesTooMuchAndTheUnknown) {
  const auto refusal = [](const v1::DownloadRequest& request) {
    const absl::StatusOr<ReadRequest> read = FromWire(request);
    EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(read.status().message());
  };
  v1::DownloadRequest precision;
  EXPECT_THAT(refusal(precision), HasSubstr("precision 0"));
  precision.set_precision(v1::Precision(3));  // the residual gives the original
  EXPECT_THAT(refusal(precision), HasSubstr("precision 3"));
  precision.set_precision(v1::Precision(258));  // INT8 as a byte
  EXPECT_THAT(refusal(precision), HasSubstr("precision 258"));
  v1::DownloadRequest held;
  v1::HeldChunks* chunks = held.mutable_held()->add_chunks();
  for (size_t i = 0; i <= kMaxHeldEntries; ++i) chunks->add_chunk_indices(1);
  EXPECT_THAT(refusal(held), HasSubstr("at most"));
  v1::DownloadRequest rows;
  v1::TensorPattern* tensor = rows.mutable_selection()->add_tensors();
  tensor->set_pattern("*");
  tensor->set_first_row(5);
  EXPECT_THAT(refusal(rows), HasSubstr("rows 5 to 0"));
}

TEST(LayerBytesTest, RoundTripsAndRefusesNumbersThatAreNone) {
  model::LayerBytes bytes;
  bytes.Add(1, 10);
  bytes.Add(200, 20);
  bytes.AddOther(5);
  v1::LayerBytes message;
  ToWire(bytes, &message);
  EXPECT_EQ(*FromWire(message), bytes);
  message.mutable_layers(0)->set_layer(256);
  EXPECT_FALSE(FromWire(message).ok());
}

}  // namespace
}  // namespace qstore::wire
