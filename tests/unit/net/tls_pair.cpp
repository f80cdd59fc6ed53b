#include "tests/unit/net/tls_pair.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace bridge55::test {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(std::FILE* file) const { std::fclose(file); }
};

void must(bool ok) {
  if (!ok) throw std::runtime_error("the test certificate could not be made");
}

}  // namespace

Certificate make_certificate(const std::string& directory, const CertificateRequest& request) {
  static int serial = 0;
  const std::unique_ptr<EVP_PKEY, Free> key(EVP_EC_gen("P-256"));
  const std::unique_ptr<X509, Free> made(X509_new());
  must(key && made);
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), request.valid_from);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), request.valid_until);
  X509_set_pubkey(made.get(), key.get());
  X509_NAME* name = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("bridge55 test"), -1, -1, 0);
  X509_set_issuer_name(made.get(), name);
  std::string names = "DNS:" + request.name;
  if (!request.address.empty()) names += ",IP:" + request.address;
  const std::unique_ptr<X509_EXTENSION, Free> alternative(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str()));
  must(X509_add_ext(made.get(), alternative.get(), -1) == 1 &&
       X509_sign(made.get(), key.get(), EVP_sha256()) != 0);

  const std::string base = directory + "/" + std::to_string(serial);
  Certificate files{base + ".crt", base + ".key"};
  const std::unique_ptr<std::FILE, Free> cert(std::fopen(files.cert_file.c_str(), "w"));
  const std::unique_ptr<std::FILE, Free> secret(std::fopen(files.key_file.c_str(), "w"));
  must(cert && secret && PEM_write_X509(cert.get(), made.get()) == 1 &&
       PEM_write_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return files;
}

TempDirectory::TempDirectory() : path_(std::filesystem::temp_directory_path() / "bridge55-XXXXXX") {
  must(::mkdtemp(path_.data()) != nullptr);
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace bridge55::test
