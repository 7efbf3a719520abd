/* People of a workspace: inviting, roles, tokens, sessions. What somebody may not do is not shown, and refused all the same. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser as SignedIn } from '../api/house.ts';
import { WebHouse } from './house.ts';

let web: WebHouse;
let ada: SignedIn;
before(async () => {
    web = await WebHouse.open();
    ada = await web.house.welcome('ada');
});
after(() => web.closeContent());

test('an owner invites somebody by a link; they become a member and see no button that would be refused', async () => {
    const tab = await web.tab(ada);
    await tab.go('/members');
    await tab.page.getByRole('button', { name: 'Invite' }).click();
    await tab.page.getByRole('radio', { name: 'member' }).check();
    await tab.page.getByRole('dialog').getByRole('button', { name: 'Invite' }).click();
    const url = await tab.page.getByText(/\/welcome#code=/).textContent();
    await tab.page.getByRole('button', { name: 'Done' }).click();
    await tab.sees('Whoever has the link');

    const bea = await web.tab(null);
    await bea.page.goto(url!);
    await bea.sees(/invites you to .* as member/);
    await bea.page.getByLabel('Name').fill('bea');
    await bea.page.getByRole('textbox', { name: 'Password' }).fill('another long password');
    await bea.page.getByRole('button', { name: 'Make the account' }).click();
    await bea.page.getByRole('heading', { level: 1, name: 'Now' }).waitFor();
    const column = bea.page.getByRole('navigation', { name: 'Pages' });
    assert.deepEqual(
        await Promise.all(
            ['Members', 'Tokens', 'Audit log'].map((name) =>
                column.getByRole('link', { name }).count(),
            ),
        ),
        [1, 0, 0],
    );
    await column.getByRole('link', { name: 'Members' }).click();
    await bea.page.getByRole('list', { name: 'Members' }).getByText('ada').waitFor();
    assert.equal(await bea.page.getByRole('button', { name: /^(Invite|Remove)/ }).count(), 0);
    const refused = await bea.page.evaluate(async () => {
        const me = (await (await fetch('/api/v1/session')).json()) as { data: { csrf: string } };
        const order = { method: 'POST', body: '{"role":"owner"}' };
        const type = { 'content-type': 'application/json' };
        const bare = await fetch('/api/v1/invitations', { ...order, headers: type });
        const whole = await fetch('/api/v1/invitations', {
            ...order,
            headers: { ...type, 'x-signalbox-csrf': me.data.csrf },
        });
        return [bare.status, whole.status];
    });
    bea.allow(/403/);
    assert.deepEqual(refused, [403, 403]);
    await bea.close();

    await tab.page.getByRole('list', { name: 'Members' }).getByText('bea').waitFor();
    await tab.page.locator('input[aria-label="Role of bea"]').click();
    await tab.page.getByRole('option', { name: 'admin' }).click();
    await tab.page.waitForFunction(
        () =>
            document.querySelector<HTMLInputElement>('[aria-label="Role of bea"]')?.value ===
            'admin',
    );
    const { data } = await web.house.ok('GET', '/api/v1/members');
    const roles = (data['items'] as { name: string; role: string }[]).map(
        (one) => `${one.name} ${one.role}`,
    );
    assert.deepEqual(roles.sort(), ['ada owner', 'bea admin']);
    assert.equal(
        await tab.page.getByRole('button', { name: 'Remove ada' }).count(),
        0,
        'the last owner stays',
    );
    await tab.page.getByRole('button', { name: 'Remove bea' }).click();
    await tab.page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await tab.page
        .getByRole('list', { name: 'Members' })
        .getByText('bea')
        .waitFor({ state: 'detached' });
    await tab.close();
});

test('a token is shown once, and revoked with a question before', async () => {
    const tab = await web.tab(ada);
    await tab.go('/tokens');
    await tab.page.getByRole('button', { name: 'New token' }).click();
    await tab.page.getByLabel('Name').fill('<b>laptop</b>');
    await tab.page.getByRole('button', { name: 'Make it' }).click();
    const secret = (await tab.page.getByRole('dialog').locator('code').textContent())!;
    assert.equal((await web.house.call('GET', '/api/v1/batches', { token: secret })).status, 200);
    await tab.page.getByRole('button', { name: 'Done' }).click();
    await tab.page
        .getByRole('list', { name: 'Tokens' })
        .getByText('<b>laptop</b>', { exact: true })
        .waitFor();
    assert.ok(!(await tab.page.content()).includes(secret));
    await tab.page.getByRole('button', { name: 'Revoke <b>laptop</b>' }).click();
    await tab.page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
    await tab.sees(/, revoked/);
    assert.equal((await web.house.call('GET', '/api/v1/batches', { token: secret })).status, 401);
    await tab.close();
});

test('other browsers are listed and signed out; a page that is open there goes to the sign-in', async () => {
    const here = await web.tab(ada);
    const there = await web.tab(await web.house.signIn('ada'));
    there.allow(/401/);
    await there.go('/account');
    await there.sees('this browser');
    await here.go('/account');
    const others = here.page.getByRole('button', { name: /^Sign out .* from / });
    await others.first().waitFor();
    for (let left = await others.count(); left > 0; left--) {
        await others.first().click();
        await others.nth(left - 1).waitFor({ state: 'detached' });
    }
    await there.page.getByRole('link', { name: 'Members' }).click();
    await there.page.waitForURL('**/sign-in?next=*');
    await here.close();
    await there.close();
});
