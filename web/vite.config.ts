import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

/* `./dev web`: pages from here, everything else from a server that runs. */
const server = process.env['SIGNALBOX_URL'] ?? 'http://127.0.0.1:8080';
const token = process.env['SIGNALBOX_TOKEN'] ?? '';
const toServer = {
    target: server,
    headers: token === '' ? {} : { authorization: `Bearer ${token}` },
};

export default defineConfig({
    plugins: [react()],
    build: {
        target: 'es2024',
        // Nothing in the page's head but what the Content-Security-Policy allows: no inline script, no data: of scripts.
        modulePreload: { polyfill: false },
        assetsInlineLimit: 0,
        reportCompressedSize: false,
        chunkSizeWarningLimit: 2000,
    },
    worker: { format: 'es' },
    server: {
        host: '127.0.0.1',
        strictPort: true,
        proxy: { '/api': toServer, '/auth': toServer, '/setup': toServer, '/readyz': toServer },
    },
    test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
