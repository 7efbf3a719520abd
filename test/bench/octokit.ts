/* What the authors of GitHub Apps use: checks the signature, reads the body, keeps nothing. Port and secret by argument. */
import { createServer } from 'node:http';
import { createNodeMiddleware, Webhooks } from '@octokit/webhooks';

const webhooks = new Webhooks({ secret: process.argv[3]! });
webhooks.on('push', () => {});
createServer(createNodeMiddleware(webhooks, { path: '/w1' })).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
