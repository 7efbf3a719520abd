import { Empty, Page } from '../../parts/page.tsx';

export default function SignIn() {
    return (
        <Page title="Sign in">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
