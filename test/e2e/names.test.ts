/* Names are hostile text everywhere they appear: comment, check, log, inputs (issue text "Bad input and bad days"). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { plan_file, withBox } from './box.ts';
import type { Part } from './graph.ts';

const names = [
    '<img src=x onerror=alert(1)>',
    '</td></table></details><script>alert(1)</script>',
    'a|b||c',
    '`; drop table node; --',
    '[click](javascript:alert(1))',
    '![x](https://example.invalid/pixel.png)',
    '@octocat @acme/owners',
    'fixes #1',
    '\u202Egnp.exe',
    '名前/🚂',
    '--help',
    '%s%n%00%2F..%2F',
    '${{ secrets.TOKEN }}',
    "'; select pg_sleep(9); --",
    '$(touch /tmp/x)',
    '<!-- signalbox: -->',
    '~~~',
    '# heading',
    'a'.repeat(200),
];
const parts: Part[] = names.map((component, i) => ({ component, stack: names[names.length - 1 - i]! }));
const title = '</details><script>alert(1)</script> @octocat | `x` ## ' + '\u0007\u001b[31mred';

describe('hostile names', () => {
    it('go through everything and harm nothing', () =>
        withBox({ runMs: 100 }, async (box) => {
            await box.sim.script({ match: { workflow: plan_file, component: names[0]! }, conclusion: 'failure' });
            const pull = await box.pull({ head: 'feature/$(id)-"\'<b>;--', title });
            await box.uploadPull(parts, pull);
            const batch = await box.ended('opened');
            assert.equal(batch.verdict, 'failure');
            const nodes = await box.nodes(batch.id);
            assert.equal(nodes.length, names.length);
            const sent = (await box.forgeRuns(plan_file)).map((run) => run.inputs['component']).sort();
            const templates = nodes.filter((node) => node.state === 'error').map((node) => `${node.component}: ${node.errorText}`);
            assert.deepEqual(sent, names.filter((name) => !templates.some((text) => text.startsWith(`${name}: `))).sort(), 'names arrive as they are');
            assert.equal(templates.length, 2, templates.join('\n'));

            await box.checked(pull.head_sha, 'failure');
            const text = await box.commented(pull.number, /fail/i);
            const check = (await box.check(pull.head_sha))!;
            for (const [where, shown] of [['comment', text], ['check', `${check.output.title}\n${check.output.summary}\n${check.output.text ?? ''}`]] as const) {
                /* What stands in code spans and blocks is text; the rest is what GitHub would render. */
                const rendered = shown.replace(/```[\s\S]*?```/g, '').replace(/(`+)(?:(?!\1)[\s\S])+?\1/g, '');
                assert.doesNotMatch(rendered, /<(script|img|\/td|\/table)/i, `${where}: markup of a name`);
                assert.doesNotMatch(rendered, /(^|[^\\\w`])@octocat/, `${where}: a name mentions a person:\n${shown}`);
                assert.doesNotMatch(rendered, /\]\(javascript:/, `${where}: a link of a name`);
                assert.doesNotMatch(rendered, /!\[x\]\(/, `${where}: an image of a name`);
                assert.doesNotMatch(shown, /[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e]/, `${where}: control characters`);
                assert.ok(shown.length < 65_536);
            }
            const log = box.serve.log();
            assert.doesNotMatch(log, /[\u0000-\u0009\u000b-\u001f\u007f]/, 'no control characters in the log');
            for (const line of log.split('\n').filter((one) => one !== '')) assert.match(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info|warn|error) /, 'each line of the log is one of ours');
            await box.clean();
        }));
});
