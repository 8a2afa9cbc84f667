// rustls_client.h: a client on rustls for C++ tests. The header of rustls-ffi is C and no C++.

#ifndef RUSTLS_CLIENT_H
#define RUSTLS_CLIENT_H

struct rustls_client_config;

// A client's configuration that trusts a certificate; NULL: there is none.
const struct rustls_client_config *rustls_client_trusting(const char *certificate);
void rustls_client_forget(const struct rustls_client_config *config);

// One request to localhost on a connected socket. Gives whether the session was resumed, of which
// both ends say the same; -1: something failed.
int rustls_client_visit(const struct rustls_client_config *config, int fd);

#endif
