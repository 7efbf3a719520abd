/* Certificates for servers of the tests: nobody else believes them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificates {
    /** The file of the authority. */
    ca: string;
    key: string;
    cert: string;
}

/** A throw-away authority and one leaf for the loopback address, in this folder. */
export function certificatesMake(dir: string): Certificates {
    mkdirSync(dir, { recursive: true });
    const openssl = (...args: string[]) =>
        execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
    openssl(
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=forge-sim authority',
        '-keyout',
        'ca.key',
        '-out',
        'ca.pem',
        '-addext',
        'basicConstraints=critical,CA:TRUE',
        '-addext',
        'keyUsage=critical,keyCertSign,cRLSign',
    );
    openssl(
        'req',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-subj',
        '/CN=127.0.0.1',
        '-keyout',
        'leaf.key',
        '-out',
        'leaf.csr',
    );
    writeFileSync(
        join(dir, 'leaf.ext'),
        [
            'subjectAltName=IP:127.0.0.1,DNS:localhost',
            'basicConstraints=CA:FALSE',
            'keyUsage=critical,digitalSignature',
            'extendedKeyUsage=serverAuth',
            '',
        ].join('\n'),
    );
    openssl(
        'x509',
        '-req',
        '-in',
        'leaf.csr',
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-CAcreateserial',
        '-days',
        '2',
        '-extfile',
        'leaf.ext',
        '-out',
        'leaf.pem',
    );
    return {
        ca: join(dir, 'ca.pem'),
        key: readFileSync(join(dir, 'leaf.key'), 'utf8'),
        cert: readFileSync(join(dir, 'leaf.pem'), 'utf8'),
    };
}
