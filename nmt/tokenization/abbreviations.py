"""Words whose full stop does not end a sentence and stays with them, by language."""

from __future__ import annotations

from typing import Final

_OF_LANGUAGE: Final[dict[str, str]] = {
    "en": """
        Adm Ave Bldg Blvd Bros Capt Cmdr Co Col Corp Cpl Dr Drs Ed Esq Fig Ft Gen Gov Hon Inc Jr Lt
        Ltd Maj Messrs Mr Mrs Ms Mt Pfc Ph Phil Prof Pvt Rep Reps Rev Sen Sens Sgt Sr St Sts Univ vs
        approx cf dept ed eds est etc ext fig figs govt incl min max resp tel vol
        Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec
    """,
    "de": """
        Abb Abk Abs Abt Anm Art Aufl Bd Bde Best Betr Bez Bsp Dipl Dr Evtl Fa Fam Fr Frl Gebr Hr Hrn
        Hrsg Ing Inh Jh Kap Mag Mio Mrd Nr Pfd Pkt Prof Rel Sek St Std Str Tab Tel Ver Vgl Zt
        abzgl bzgl bzw ca dgl ebd eigtl engl evtl exkl franz ggf geb gest inkl insb jmd kath lat lt
        max min mind mtl nachm usf usw verh vgl vorm zzgl zzt
        Jan Feb Apr Aug Sept Okt Nov Dez
    """,
    "fr": """
        Adj Ass Av Bd Cie Cf Chap Col Dr Éd Ét Fig Gal Hab Ibid Ill Inc Jr Ltd Me Mgr Mlle Mlles Mme
        Mmes MM Nb Obs Op Pr Prof Réf Sgt St Ste Sté Tél Vol
        adj apr art av cf chap coll dép éd env ex fig hab ibid inéd janv févr avr juill sept oct nov
        déc max min p pp suiv tél vol
    """,
    "es": """
        Admon Arq Av Avda Cía Col Cor Depto Dr Dra Dres Excmo Exmo Fig Gral Ing Lic Ltd Ma Mons Núm
        Pdte Pról Prof Profa Rev Sr Sra Sras Sres Srta Sto Sta Ud Uds Vd Vds
        aprox art cap cf dcha ed etc fig ibid izda máx mín núm pág págs ss tel trad vol
    """,
    "it": """
        Arch Avv Cap Cav Cfr Col Comm Dott Dottssa Dr Fig Gen Geom Ing Mons On Onn Prof Profssa Rag
        Sac Sen Sig Sigg Sigra Sigrina Spett Tel
        art artt cap cfr ca cit ecc es etc fig ibid max min num pag pagg sec seg tel vol
    """,
    "nl": """
        Afb Dhr Dr Drs Fig Gen Ir Ing Jhr Kol Maj Mej Mevr Mr Mw Prof St Vgl
        afb afd art bijv blz ca cf enz etc evt excl incl jl max min nl nr ong resp tel vgl vnl
    """,
    "pt": """
        Alm Arq Av Cap Cel Cia Dr Dra Drs Eng Exmo Fig Gal Gen Lda Ltda Ltd Prof Profa Pe Rev Sarg
        Sr Sra Sras Srs Srta Sto Sta Vol
        aprox art cap cf ed etc fig ibid máx mín núm pág págs séc tel trad vol
    """,
    "cs": """
        Bc Dr Doc Gen Ing Judr Mgr Mudr Phdr Prof Rndr Sv
        aj apod atd atp cca cit čes čl event hl kap max min např obr odd odst popř pozn příp resp
        roč str sv tab tel tj tzn tzv vč vyd
    """,
    "ru": """
        акад англ гг гл гр др ед им кв км корп млн млрд мн мм обл отд пер пл пос пр проф прим разд
        ред рис руб св сокр ст стр табл тов тыс ул чел экз
    """,
}

# Abbreviations of words that come before a number: a full stop after "no" or "art" ends a sentence
# unless a number follows.
_BEFORE_NUMBER: Final[dict[str, str]] = {
    "en": "No Nos Art Arts no nos art pp p ch sec par",
    "de": "S Z",
    "fr": "n no nos art",
    "es": "n no art p",
    "it": "n nn art p",
    "nl": "art p",
    "pt": "n art p",
    "cs": "č s",
    "ru": "с п",
}


def abbreviations(language: str) -> frozenset[str]:
    """Words that keep their full stop; none for a language not listed here."""
    return frozenset(_OF_LANGUAGE.get(language, "").split())


def abbreviations_before_number(language: str) -> frozenset[str]:
    """Words that keep their full stop before a number."""
    return frozenset(_BEFORE_NUMBER.get(language, "").split())
