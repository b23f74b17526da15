//! A set of keys, and a token signed by each of them, as openssl made them; the claims are those of `CLAIMS`.

pub(super) const CLAIMS: &str =
    r#"{"iss":"issuer","aud":["other","kafka"],"sub":"alice","exp":2000000000,"iat":1500000000,"scope":"a"}"#;

pub(super) const JWKS: &str = concat!(
    r#"{"keys":[{"kty":"RSA","kid":"rsa","use":"sig","n":"ALxLKDj27qJ8bjIWA00EfXXn5ky-fkg23eh2u9QHRH9lnBP56VeLVg3sIQANVU_JeHFZX0-xwaXSh4y-oSInXrwteUlFlTdXhrp"#,
    r#"djx8OqrjYlhiQggsC4CNc0b7PpWGRxyX7pxroxzV5ssn_YEokno8d6TT25b75bpBMjm5UuH93S0f7IiHJ1-LWDykbysnqFOe6vaeUV7MIYQRTGKRDpYIccfZO-J56logCKtiXhs3m3WdWk0FC5RNs0"#,
    r#"6Rgjoy30AjhFVMVaVxPXR_lJeuJg0dImaLcdtEKDSWlGSCOowx6hzYkZ1301xq2bngW4L6XqbQcvvZVsDAFxxPhU9SY3sE","e":"AQAB"},{"kty":"EC","crv":"P-256","kid":"p256","x""#,
    r#":"kJwAiQSW6dsDeDR-LwaNpR2JAH9xYaOo7BXNJFDKiyE","y":"v_gBcY3GLr2nbSMDCUX0vfyCfj_oiXBT5vD9ucgy4bg"},{"kty":"EC","crv":"P-384","kid":"p384","x":"AYKhRKJo"#,
    r#"l8xHN0L7LgUzeNrBH3jBxobmCAsb4qowaOpqV-aSyQjWbq3zUPj_hLLu","y":"rheEY2-jYqLDm0-ep0JJagy_PwipvKNPp89Dj5xT8eSkmG6FRO-jnzhNxYxOGTC9"},{"kty":"oct","kid":""#,
    r#"oct","k":"c2VjcmV0"},{"kty":"RSA","kid":"enc","use":"enc","n":"vEsoOPbuonxuMhYDTQR9defmTL5-SDbd6Ha71AdEf2WcE_npV4tWDewhAA1VT8l4cVlfT7HBpdKHjL6hIidevC1"#,
    r#"5SUWVN1eGul2PHw6quNiWGJCCCwLgI1zRvs-lYZHHJfunGujHNXmyyf9gSiSejx3pNPblvvlukEyOblS4f3dLR_siIcnX4tYPKRvKyeoU57q9p5RXswhhBFMYpEOlghxx9k74nnqWiAIq2JeGzebdZ"#,
    r#"1aTQULlE2zTpGCOjLfQCOEVUxVpXE9dH-Ul64mDR0iZotx20QoNJaUZII6jDHqHNiRnXfTXGrZueBbgvpeptBy-9lWwMAXHE-FT1JjewQ","e":"AQAB"}]}"#,
);

/// Algorithm, key, signature over header and claims.
pub(super) const SIGNED: [(&str, Option<&str>, &str); 8] = [
    (
        "RS256",
        Some("rsa"),
        concat!(
            "e-b8Wqt2ScJmVxJymQPa-_3OIY8l8liEPq_zmIlg4Pa6KY2DuHOwTDphs4dE-t2KEHF19Yi4_KbVRACCpfKA-BL-PV0unXqa5gqyFoYYfDERTKnaEymLv4jaRhRHeJbzGZsCIcXQPkFk0kgrFiWCRC",
            "YNc0Bbbb-k5-XafEa-XaDpALTliL92xjyb4IJBRcJdpTVAvXoyEQUkusU7HdtSOC25_lkcETyJ_nQMYov4ayf4BToRYehu9jo1RYSirt38oQZ-NGW3LHTqlPWPevU2ogSz4plYtKleEmr96zDD-psm",
            "6U2eLEZGqsyYeOKZ2n4Ho5n7lmDC-8aHAXsmXV02BQ",
        ),
    ),
    (
        "RS384",
        Some("rsa"),
        concat!(
            "mo9txTUDcF0WCV_-AfpfOJUbHwdYRaQPHG9KWSoX1bdD-7-13tXJT41G1Yw7FhUO-H9pWLVXCggELMhon639T7pT-YeTqYGsH_CZf3SXZk8xO56m5CDsxxy6MWgdFSiDWRUymvdLLhijO-J9MPgKlz",
            "HCNOZzwlqNHvhuuaLMe8HNaJfF3zOBIXRKaTSPfiwHQuy5XZNb59Irl-oB0e230RewnzwM1xIxMMP_bU6DXP5QsMw5w1CNjSQDVeD04TTsKYr_hEhT6JX9xQtiwX4WZqIjEFDrZe8dQPYPsObVJaBe",
            "sh27ImKJjeRx4s72e-NSwI2zzEM2rUuXtU7VFE7fEw",
        ),
    ),
    (
        "RS512",
        None,
        concat!(
            "m4n2IEi1zd4adgPgquLaVnbhiJXdt7SVpd6M33YpgzCxUqJGEBOQNvbSGGfSlsMwp26w1gAwEzUamTptV9HJQsoAKclWjZD1pZf0qtDWNeuueiBkCXONVHqhJlsMtP3pnyFSDr6k7bXNmVSu-DKg2m",
            "ureO9pQclnE65hpreKIbzLn6jKdnpZdSHlVAOpyIO1BSNAu_ydlywAz2Ev3Ghppz2gcLM3raxMb40ff0UO2ZHIYV3Q-JTbWqXfZkTo_DtQPWBt54chD2_T_W_dfmm_2yzlZemlnzsap34z2I4-JEPn",
            "vdT7VE676P39IlYkeOLhR8f8hpxhoYkFdvT4Bxn-Nw",
        ),
    ),
    (
        "PS256",
        Some("rsa"),
        concat!(
            "IWd1Exrv_xqhDfbgFhTluIDa51ph8KE7PzPfqFCIUSjFSeAYqJ30q3M1jFOHhFuQCMIqdQTqJn3LuU4SEMjdtqO4m-4zV-maV0mhQWsluwRmAoAxyVoa9COOuIqSS2lufTc5frs2TcnIYSM9yVnwZM",
            "gj0HfAEyZY8zeJ4_4JAxoWnh6pLZArqXrmKtwBYQt7QEmLdzadFOmsgeYi_6hXXHPDdgcL9jQRntqLi7NRTkzpOoCSFg6zmueGeVd0ZXsTxqMiexscsRFCN8iaI_QoxIgZo45yWllu3GCTBFCbJzs6",
            "_d1lQZ91Xww0xj0GLe3N7BQGXV_AZ2EQaFBvQjrvnQ",
        ),
    ),
    (
        "PS384",
        Some("rsa"),
        concat!(
            "hgUiRlO1zCRADyerodJwfBxC7rfxtN2b333YmnzfAHLkPvHi00nKTRPMYsk9pKgLET6hNngRxDmPO335ciRmTl7uwmn-lYYHnT1gEoBwlGAFoXcbQkoWzLgDX973ONzDo3xOEUFtWnzw_4YQauTLqJ",
            "vc1zO98GOTlsZJ0o5u--lu7sOCRm7MSPJyb997JcCuEDSxfwQZT060XqFfISXoX86XhrvApjlDeD0YTDfk3-YqZIp2wHC8KT4uQi4V043Vd4kqVZ6CqNk59_blhn7Azo8menldH7oVe3a35V71hbf8",
            "jmxwnpygeMntkkWL4gtGHDJwkWze5OfMysYE5QESfA",
        ),
    ),
    (
        "PS512",
        Some("rsa"),
        concat!(
            "iLFUPMHwexbS9hg24sqU2el81R3b1pdWP9E2WcR0Phr30PkMYTiGKIaXM7y0mnnuMGpJRwE5MD000uKPxPSlOXoULyvgYtnskYlrzMgvfzzUguJGCxNPVLvlfkSJS-QEajf5rvrjhlwUJ0IU8tMEQ_",
            "3NFhrqjFKsg2e8SjG74uYNcwEnNCdgfmdiFx9gGJEnoRRIOPHVnGQufP14QZZ2cYCWRY6RqMqQPN_jMK_g-zzx9l3yM5Enl0LObEwn6OYiN-pjMNf8VuXT1lFe3CmLL79SfxvjTmAsmxmySCeyBau0",
            "913_V0JxOCWAIaPIGootxU7Hy-HYyVf30wQEpAXy0A",
        ),
    ),
    (
        "ES256",
        Some("p256"),
        "MD1-X4lfhJHYf65HzW1Roro44XWzAhQOCQyxr4wyZDbUCJajJAaf_rO3dVcF5GPR8d3kRIHCZMHJK-xR10MK3w",
    ),
    (
        "ES384",
        Some("p384"),
        "Sm7UAr18--p7gAB5lN_Dw5fce9YoOblQVUNPtTiT4yveo1AIYA85ad0OIkAkH-jd41DziK7oYt8ZyQxyHVGLo9wMimW0ZYXg3gV_ZD0yJt50ktdoAWNElbSNWN1pF6on",
    ),
];
