/* Getting in: the link of the first start, a password, an invitation, and out again. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { WebHouse } from './house.ts';

let web: WebHouse;
before(async () => {
    web = await WebHouse.open();
});
after(() => web.closeContent());

const password = 'a long enough password';

test('the link of the first start makes the owner, who is led to the set-up', async () => {
    const tab = await web.tab(null);
    tab.allow(/401/);
    await tab.go(`/welcome#code=${web.house.welcomeCode()}`);
    await tab.page.getByLabel('Name').fill('Ada');
    await tab.page.getByRole('textbox', { name: 'Password' }).fill('short');
    assert.equal(
        await tab.page.getByRole('button', { name: 'Make the account' }).isDisabled(),
        true,
    );
    await tab.page.getByRole('textbox', { name: 'Password' }).fill(password);
    await tab.axe('welcome');
    await tab.page.getByRole('button', { name: 'Make the account' }).click();
    await tab.page.waitForURL('**/start');
    await tab.page.getByRole('heading', { name: 'Set-up', exact: true }).waitFor();
    await tab.close();
});

test('a link works once, and the page says where another one comes from', async () => {
    const tab = await web.tab(null);
    tab.allow(/404/);
    await tab.go(`/welcome#code=${web.house.welcomeCode()}`);
    await tab.sees('This link does not work any more');
    await tab.axe('a spent link');
    await tab.close();
});

test('one who is not signed in comes back to the page they wanted', async () => {
    const tab = await web.tab(null);
    tab.allow(/401/);
    await tab.go('/account');
    await tab.page.waitForURL('**/sign-in?next=*');
    await tab.page.getByLabel('Name').fill('ada');
    await tab.page.getByRole('textbox', { name: 'Password' }).fill('wrong');
    await tab.page.getByRole('textbox', { name: 'Password' }).press('Enter');
    await tab.sees('the name or the password is wrong');
    await tab.axe('sign-in with a wrong password');
    await tab.page.getByRole('textbox', { name: 'Password' }).fill(password);
    await tab.page.getByRole('textbox', { name: 'Password' }).press('Enter');
    await tab.page.waitForURL('**/account');
    await tab.page.getByRole('heading', { name: 'Your account' }).waitFor();
    await tab.page.getByRole('button', { name: /account and appearance/ }).click();
    await tab.page.getByRole('menuitem', { name: 'Sign out' }).click();
    await tab.page.waitForURL('**/sign-in');
    await tab.go('/');
    await tab.page.waitForURL('**/sign-in');
    await tab.close();
});

test('with GitHub: a stranger is told why not; one who was invited comes in and back to their page', async () => {
    const { house } = web;
    const olga = await house.signIn('ada', password);
    const tab = await web.tab(null);
    tab.allow(
        /401/,
        new RegExp(`a request to another host: ${new URL(house.sim.ready.api).origin}/`),
    );
    await house.sim.browserOf('mona');
    await tab.go('/members');
    await tab.page.getByRole('link', { name: 'Sign in with GitHub' }).click();
    await tab.page.waitForURL('**/sign-in?problem=*');
    await tab.page.getByRole('alert').waitFor();
    await tab.axe('sign-in refused');
    await house.ok(
        'POST',
        '/api/v1/invitations',
        { login: 'mona', role: 'member' },
        { token: undefined, browser: olga },
    );
    await tab.go('/members');
    await tab.page.getByRole('link', { name: 'Sign in with GitHub' }).click();
    await tab.page.waitForURL('**/members');
    await tab.page.getByRole('list', { name: 'Members' }).getByText('mona at GitHub').waitFor();
    assert.equal(await tab.page.getByRole('button', { name: 'Invite' }).count(), 0);
    await tab.close();
});
