#include "tests/sim/certificate.hpp"

#include <memory>
#include <stdexcept>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace bridge55::sim {
namespace {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using KeyPair = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;

constexpr long kDay = 24L * 60 * 60;

void require(bool ok) {
  if (!ok) throw std::runtime_error("OpenSSL could not make a certificate");
}

struct Validity {
  long from = -kDay;
  long to = 30 * kDay;
};

X509Ptr make_certificate(const char* common_name, EVP_PKEY* key, long serial, Validity validity) {
  X509Ptr certificate(X509_new());
  require(certificate && X509_set_version(certificate.get(), 2) == 1);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), validity.from);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), validity.to);
  X509_NAME* name = X509_get_subject_name(certificate.get());
  const auto* text = reinterpret_cast<const unsigned char*>(common_name);
  require(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0) == 1);
  require(X509_set_pubkey(certificate.get(), key) == 1);
  return certificate;
}

void add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  require(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

void sign(X509* certificate, X509* issuer, EVP_PKEY* key) {
  require(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1);
  require(X509_sign(certificate, key, EVP_sha256()) > 0);
}

template <class Write>
std::string pem(Write&& write) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  require(bio && write(bio.get()) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

X509Ptr make_ca(EVP_PKEY* key) {
  X509Ptr ca = make_certificate("bridge55-sim test CA", key, 1, {});
  add_extension(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE");
  add_extension(ca.get(), ca.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(ca.get(), ca.get(), NID_subject_key_identifier, "hash");
  sign(ca.get(), ca.get(), key);
  return ca;
}

}  // namespace

Identity make_identity(Certificate edition) {
  KeyPair ca_key(EVP_EC_gen("P-256"));
  KeyPair key(EVP_EC_gen("P-256"));
  require(ca_key && key);
  X509Ptr ca = make_ca(ca_key.get());
  const Validity past{-30 * kDay, -kDay};
  const bool wrong = edition == Certificate::wrong_name;
  X509Ptr server = make_certificate(wrong ? "elsewhere.invalid" : "localhost", key.get(), 2,
                                    edition == Certificate::expired ? past : Validity{});
  add_extension(server.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE");
  add_extension(server.get(), ca.get(), NID_ext_key_usage, "serverAuth");
  add_extension(server.get(), ca.get(), NID_subject_alt_name,
                wrong ? "DNS:elsewhere.invalid" : "DNS:localhost,IP:127.0.0.1,IP:::1");
  sign(server.get(), ca.get(), ca_key.get());
  if (edition == Certificate::unknown_ca) {  // what the client is told to trust is another CA
    ca_key.reset(EVP_EC_gen("P-256"));
    ca = make_ca(ca_key.get());
  }
  return {pem([&](BIO* bio) { return PEM_write_bio_X509(bio, ca.get()); }),
          pem([&](BIO* bio) { return PEM_write_bio_X509(bio, server.get()); }), pem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace bridge55::sim
