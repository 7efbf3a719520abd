/* What people do to the boxes of a comment, as its App is told of it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { files, Rig } from './helper.ts';

describe('ticks', () => {
    let rig: Rig;
    const empty = '- [ ] **Dispatch all** <!-- a:1 -->\n- [ ] **Resume** <!-- a:2 -->';
    before(async () => {
        rig = await Rig.start();
        await rig.sim.openPull('acme/infra', { head: 'feature', files });
    });
    after(() => rig.stop());

    const bodyOf = async (id: number) => (await rig.sim.repo('acme/infra')).comments.find((one) => one.id === id)!.body;
    const told = async () => {
        await rig.sim.idle();
        const events = rig.hook.of('issue_comment').filter((one) => one.body['action'] === 'edited');
        return events.map((one) => one.body as { changes: { body: { from: string } }; comment: { body: string }; sender: { login: string } });
    };

    it('change one box, and the event says what stood there before', async () => {
        const { id } = await rig.sim.comment('acme/infra', 1, 'mona', empty);
        await rig.sim.tickComment('acme/infra', id, 'hubot', 'Dispatch all');
        assert.equal(await bodyOf(id), empty.replace('[ ]', '[x]'));
        const [edit] = await told();
        assert.equal(edit!.changes.body.from, empty);
        assert.equal(edit!.comment.body, empty.replace('[ ]', '[x]'));
        assert.equal(edit!.sender.login, 'hubot');
        await assert.rejects(rig.sim.tickComment('acme/infra', id, 'hubot', 'Dispatch all'), /No empty box/);
    });

    it('on a page that is not fresh any more send what it showed', async () => {
        const { id } = await rig.sim.comment('acme/infra', 1, 'mona', empty);
        await rig.sim.editComment('acme/infra', id, 'mona', 'written since');
        await rig.sim.tickComment('acme/infra', id, 'hubot', 'Resume', empty);
        const edit = (await told()).at(-1)!;
        assert.equal(edit.changes.body.from, 'written since');
        assert.equal(edit.comment.body, empty.replace('- [ ] **Resume', '- [x] **Resume'));
    });
});
