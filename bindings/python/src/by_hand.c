#include "module.h"

/* Sessions under keys of the caller's own, for a caller that does by hand what an Attempt does. */

#define LIFETIME_NOT_KNOWN 0xFFFFFFFFu

typedef struct {
    size_t len;
    uint8_t bytes[TSC_MAX_KEY];
} key;

/* The server name of a driver's endpoint, or None: several nodes may be behind one proxy.
 * cassandra-driver has it among the options for ssl. */
static PyObject *server_name_of(PyObject *endpoint) {
    PyObject *name = NULL, *options = PyObject_GetAttrString(endpoint, "ssl_options");
    if (options == NULL && PyErr_ExceptionMatches(PyExc_AttributeError))
        PyErr_Clear();
    else if (options == NULL)
        return NULL;
    else if (PyDict_Check(options))
        name = PyDict_GetItemString(options, "server_hostname");
    name = name == NULL ? Py_None : name;
    Py_INCREF(name);
    Py_XDECREF(options);
    return name;
}

/* The key of an endpoint: a tuple (host, port) or (host, port, server name or None), or a driver's
 * object with an address and a port. */
static int key_of(PyObject *endpoint, key *key) {
    const char *host, *server_name = NULL;
    Py_ssize_t host_len, server_name_len = 0;
    int port;
    PyObject *made = NULL;
    if (!PyTuple_Check(endpoint)) {
        PyObject *address = PyObject_GetAttrString(endpoint, "address");
        PyObject *number = address == NULL ? NULL : PyObject_GetAttrString(endpoint, "port");
        PyObject *name = number == NULL ? NULL : server_name_of(endpoint);
        if (name != NULL)
            made = PyTuple_Pack(3, address, number, name);
        Py_XDECREF(address);
        Py_XDECREF(number);
        Py_XDECREF(name);
        if (made == NULL)
            return 0;
        endpoint = made;
    }
    int ok = PyArg_ParseTuple(endpoint, "s#i|z#", &host, &host_len, &port, &server_name,
                              &server_name_len);
    if (ok && (host_len == 0 || port < 0 || port > 65535)) {
        raise_status(TSC_INVALID_ARGUMENT);
        ok = 0;
    }
    if (ok && (size_t)host_len + (size_t)server_name_len + 5 > sizeof key->bytes) {
        raise_status(TSC_TOO_LARGE);
        ok = 0;
    }
    if (ok) {
        uint8_t *to = key->bytes;
        *to++ = (uint8_t)(port >> 8);
        *to++ = (uint8_t)port;
        *to++ = (uint8_t)(host_len >> 8);
        *to++ = (uint8_t)host_len;
        memcpy(to, host, (size_t)host_len);
        to += host_len;
        if (server_name != NULL) {
            *to++ = 1;
            memcpy(to, server_name, (size_t)server_name_len);
            to += server_name_len;
        }
        key->len = (size_t)(to - key->bytes);
    }
    Py_XDECREF(made);
    return ok;
}

void endpoint_of_key(const uint8_t *key, size_t len, tsc_endpoint *endpoint) {
    endpoint->port = (uint32_t)key[0] << 8 | key[1];
    endpoint->host_len = (size_t)key[2] << 8 | key[3];
    endpoint->host = key + 4;
    const uint8_t *end = endpoint->host + endpoint->host_len;
    int named = end != key + len;
    endpoint->server_name = named ? end + 1 : NULL;
    endpoint->server_name_len = named ? (size_t)(key + len - end - 1) : 0;
}

PyObject *cache_get(PyObject *self, PyObject *endpoint) {
    key key;
    void *out;
    if (!key_of(endpoint, &key))
        return NULL;
    tsc_status status =
        tsc_get_object(((Cache *)self)->cache, key.bytes, key.len, &out, held_retain, NULL, 0);
    if (status == TSC_NOT_FOUND || status == TSC_CLOSED)
        Py_RETURN_NONE;
    if (status != TSC_OK)
        return raise_status(status);
    PyObject *session = ((held *)out)->object;
    Py_XINCREF(session);
    held_release(out);
    if (session == NULL) /* the garbage collector was here first */
        Py_RETURN_NONE;
    return session;
}

/* Only an ssl.SSLSession says how long it lasts. The library cuts what is too long. */
static int lifetime_of(PyObject *session, uint32_t *seconds) {
    static PyObject *attribute; /* made once: making it takes longer than the look-up */
    *seconds = LIFETIME_NOT_KNOWN;
    if ((PyObject *)Py_TYPE(session) != SSLSession) /* which no other derives from */
        return 1;
    if (attribute == NULL &&
        (attribute = PyUnicode_InternFromString("ticket_lifetime_hint")) == NULL)
        return 0;
    PyObject *hint = PyObject_GetAttr(session, attribute);
    if (hint == NULL)
        return 0;
    *seconds = (uint32_t)PyLong_AsUnsignedLongMask(hint);
    Py_DECREF(hint);
    return !PyErr_Occurred();
}

PyObject *cache_put(PyObject *object, PyObject *args) {
    Cache *self = (Cache *)object;
    PyObject *endpoint, *session, *version, *size;
    tsc_session_info info = {0};
    key key;
    /* Not PyArg_ParseTuple, which takes a tenth of all the time. */
    if (!PyArg_UnpackTuple(args, "put", 4, 4, &endpoint, &session, &version, &size) ||
        !key_of(endpoint, &key) || !lifetime_of(session, &info.lifetime_seconds))
        return NULL;
    if (session == Py_None)
        Py_RETURN_FALSE; /* what a connection has that has no session yet */
    info.tls_version = (uint32_t)PyLong_AsUnsignedLong(version);
    size_t bytes = PyLong_AsSize_t(size);
    if (PyErr_Occurred())
        return NULL;
    held *one = held_new(&self->all, session);
    if (one == NULL)
        return PyErr_NoMemory();
    tsc_status status = tsc_put_object(self->cache, key.bytes, key.len, &info, sizeof info, one,
                                       bytes, held_release);
    if (status != TSC_OK)
        held_release(one);
    if (status != TSC_OK && status != TSC_DISCARDED && status != TSC_CLOSED)
        return raise_status(status);
    return PyBool_FromLong(status == TSC_OK);
}

PyObject *cache_available(PyObject *self, PyObject *endpoint) {
    key key;
    size_t count = 0;
    if (!key_of(endpoint, &key))
        return NULL;
    tsc_status status = tsc_available(((Cache *)self)->cache, key.bytes, key.len, &count);
    if (status != TSC_OK && status != TSC_CLOSED)
        return raise_status(status);
    return PyLong_FromSize_t(count);
}
