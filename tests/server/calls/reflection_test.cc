#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/calls/reflection_service.h"

namespace qstore::server {
namespace {

using reflection_api::ServerReflectionRequest;
using reflection_api::ServerReflectionResponse;

std::vector<std::string> FilesOf(const ServerReflectionResponse& response) {
  std::vector<std::string> names;
  for (const std::string& bytes :
       response.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    EXPECT_TRUE(file.ParseFromString(bytes));
    names.push_back(file.name());
  }
  return names;
}

TEST(Reflection, ServicesAndFiles) {
  ServerReflectionRequest request;
  request.set_list_services("");
  std::vector<std::string> services;
  const ServerReflectionResponse listed = Reflect(request);
  for (const auto& service : listed.list_services_response().service()) {
    services.push_back(service.name());
    // Those that we have code for can be asked for, and come with what they
    // depend on.
    if (!service.name().starts_with("qstore.")) continue;
    ServerReflectionRequest by_symbol;
    by_symbol.set_file_containing_symbol(service.name());
    const auto files = FilesOf(Reflect(by_symbol));
    ASSERT_FALSE(files.empty()) << service.name();
    ServerReflectionRequest by_name;
    by_name.set_file_by_filename(files[0]);
    EXPECT_EQ(FilesOf(Reflect(by_name)), files);
  }
  EXPECT_EQ(services.size(), 4u);
}

TEST(Reflection, WhatIsMissing) {
  ServerReflectionRequest request;
  EXPECT_EQ(Reflect(request).error_response().error_code(),
            grpc::UNIMPLEMENTED);
  request.set_file_by_filename("no.proto");
  EXPECT_EQ(Reflect(request).error_response().error_code(), grpc::NOT_FOUND);
  request.set_file_containing_symbol("no.Symbol");
  EXPECT_EQ(Reflect(request).error_response().error_code(), grpc::NOT_FOUND);
  request.set_all_extension_numbers_of_type("no.Message");
  EXPECT_EQ(Reflect(request).error_response().error_code(), grpc::NOT_FOUND);
  request.mutable_file_containing_extension()->set_containing_type("no.M");
  EXPECT_EQ(Reflect(request).error_response().error_code(), grpc::NOT_FOUND);
  request.set_all_extension_numbers_of_type("qstore.v1.Reference");
  const auto known = Reflect(request);
  EXPECT_EQ(known.all_extension_numbers_response().base_type_name(),
            "qstore.v1.Reference");
  EXPECT_EQ(known.all_extension_numbers_response().extension_number_size(), 0);
}

}  // namespace
}  // namespace qstore::server
