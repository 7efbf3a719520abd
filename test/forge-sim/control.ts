import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { controlRoutes, type ControlRoute } from './control-routes.ts';
import type { Config, Forge } from './forge.ts';
import { Router } from './router.ts';
import { HttpError, isObject } from './util.ts';

/** The listener through which a test plays the people and breaks things. */
export class ControlServer {
    private forge: Forge;
    private router = new Router<ControlRoute>();
    private server: http.Server;

    constructor(forge: Forge) {
        this.forge = forge;
        this.router.add(controlRoutes);
        this.server = http.createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
            void this.serve(request).then(([status, body]) => {
                response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
                response.end(JSON.stringify(body));
            });
        });
    }

    async listen(config: Config): Promise<string> {
        await new Promise<void>((done) =>
            this.server.listen(config.controlPort ?? 0, '127.0.0.1', done),
        );
        return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    }

    close(): void {
        this.server.closeAllConnections();
        this.server.close();
    }

    private async serve(request: http.IncomingMessage): Promise<[number, unknown]> {
        try {
            const parts: Buffer[] = [];
            for await (const part of request) parts.push(part as Buffer);
            const text = Buffer.concat(parts).toString('utf8');
            const body: unknown = text === '' ? {} : JSON.parse(text);
            const url = new URL(request.url ?? '/', 'http://127.0.0.1');
            const found = this.router.find(request.method ?? 'GET', url.pathname);
            if (!found)
                return [404, { message: `no control route ${request.method} ${url.pathname}` }];
            const order = {
                forge: this.forge,
                params: found.params,
                query: url.searchParams,
                body: isObject(body) ? body : {},
            };
            return [200, (await found.route.handle(order)) ?? {}];
        } catch (error) {
            if (error instanceof HttpError)
                return [error.status, { message: error.message, errors: error.errors ?? [] }];
            return [500, { message: String(error) }];
        }
    }
}
